-- Appends records to a partition's log. KEYS: meta, log. ARGV: the log's bytes at most, channel of the wake-ups, records.
-- Returns the newest position, or nothing where the log is full.
-- Each entry carries the bytes that the partition ever took up to it, so that trimming is accounted for by reading one.
local meta, log = KEYS[1], KEYS[2]
local known = redis.call('HMGET', meta, 'appended', 'trimmed')
local total = tonumber(known[1]) or 0
if total - (tonumber(known[2]) or 0) >= tonumber(ARGV[1]) then
  return false
end
local id
for i = 3, #ARGV do
  total = total + #ARGV[i]
  -- Numbered by the stream, which remembers its newest number also when it is empty: 0-1, 0-2, ...
  id = redis.call('XADD', log, '0-*', 'r', ARGV[i], 'b', string.format('%.0f', total))
end
local head = id:sub(3)
redis.call('HSET', meta, 'appended', string.format('%.0f', total), 'head', head)
redis.call('SPUBLISH', ARGV[2], head)
return head

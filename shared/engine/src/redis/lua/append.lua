-- Appends records to a partition's log. KEYS: meta, log. ARGV: the log's limit in bytes, channel of appends, records.
-- Returns the newest position, or nothing if the log is full.
-- Each entry has the number of bytes ever appended up to it, so that a trim reads one entry to learn the new size.
local meta, log = KEYS[1], KEYS[2]
local known = redis.call('HMGET', meta, 'appended', 'trimmed')
local total = tonumber(known[1]) or 0
if total - (tonumber(known[2]) or 0) >= tonumber(ARGV[1]) then
  return false
end
local id
for i = 3, #ARGV do
  total = total + #ARGV[i]
  -- The stream assigns the ids 0-1, 0-2, ..., and remembers the newest one even when it is empty.
  id = redis.call('XADD', log, '0-*', 'r', ARGV[i], 'b', string.format('%.0f', total))
end
local head = id:sub(3)
redis.call('HSET', meta, 'appended', string.format('%.0f', total), 'head', head)
redis.call('SPUBLISH', ARGV[2], head)
return head

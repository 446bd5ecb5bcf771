-- Commits state and log position, and trims the log. KEYS: meta, log, state.
-- ARGV: token, position, number of put arguments, key and value of each put, keys to delete. Returns 1, or 0 if fenced.
local meta, log, state = KEYS[1], KEYS[2], KEYS[3]
if not owns(meta, ARGV[1]) then
  return 0
end
local known = redis.call('HMGET', meta, 'position', 'head')
local before = tonumber(known[1]) or 0
-- Never back: the state reflects the entries before. Never ahead of the log: entries appended there would not be read.
local position = math.max(before, math.min(tonumber(ARGV[2]), tonumber(known[2]) or 0))
-- In pieces, because Lua limits the number of arguments of a call.
local puts_end, last = 3 + tonumber(ARGV[3]), #ARGV
for from = 4, puts_end, 1000 do
  redis.call('HSET', state, unpack(ARGV, from, math.min(from + 999, puts_end)))
end
for from = puts_end + 1, last, 1000 do
  redis.call('HDEL', state, unpack(ARGV, from, math.min(from + 999, last)))
end
redis.call('HSET', meta, 'position', whole(position))
if position > before then
  local id = '0-' .. whole(position)
  local entry = redis.call('XRANGE', log, id, id)[1]
  if entry then
    redis.call('HSET', meta, 'trimmed', entry[2][4])
    redis.call('XTRIM', log, 'MINID', '0-' .. whole(position + 1))
  end
end
return 1

-- Reads a room in one step. KEYS: meta, the room's hash and events.
-- ARGV: an offset and the maximum number of events after it; or an empty text and the number of newest events.
-- Returns epoch, head, trimmed, state, snapshot and events, or nothing if the partition has no epoch yet.
local epoch = redis.call('HGET', KEYS[1], 'epoch')
if not epoch then
  return false
end
local room = redis.call('HMGET', KEYS[2], 'head', 'last', 'state', 'snapshot')
local oldest = redis.call('XRANGE', KEYS[3], '-', '+', 'COUNT', 1)[1]
local trimmed = room[2] or '0'
if oldest then
  trimmed = string.format('%.0f', (struct.unpack('>I8', oldest[2][2])))
end
local events
if ARGV[1] == '' then
  events = redis.call('XREVRANGE', KEYS[3], '+', '-', 'COUNT', ARGV[2])
else
  events = redis.call('XRANGE', KEYS[3], '(' .. ARGV[1] .. '-0', '+', 'COUNT', ARGV[2])
end
return {epoch, room[1] or '0', trimmed, room[3], room[4], events}

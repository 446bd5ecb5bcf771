-- Acquires a partition. KEYS: meta. ARGV: holder, microseconds, an epoch in case a new one is needed.
-- Returns the token, or nothing if another holder has the partition.
local meta = KEYS[1]
local known = redis.call('HMGET', meta, 'token', 'holder', 'until', 'epoch', 'replid', 'node')
local verdict, replid, node = server(known[5], known[6])
local moment = now()
-- If the server may have lost its newest writes, the lease is void: its owner's memory is ahead of the data.
local lost = verdict == 'other'
if known[2] and known[2] ~= ARGV[1] and tonumber(known[3]) > moment and not lost then
  return false
end
-- At least the clock, so that numbers keep growing after a flush; above the last one, in case the clock was set back.
local token = whole(math.max((tonumber(known[1]) or 0) + 1, moment))
local epoch = known[4]
if lost or not epoch then
  epoch = ARGV[3]
end
redis.call('HSET', meta, 'token', token, 'holder', ARGV[1], 'until', whole(moment + tonumber(ARGV[2])),
  'epoch', epoch, 'replid', replid, 'node', node)
return token

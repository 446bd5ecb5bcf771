-- Takes a partition. KEYS: meta. ARGV: holder, microseconds, an epoch in case one is needed.
-- Returns the token, or nothing where somebody else has the partition.
local meta = KEYS[1]
local known = redis.call('HMGET', meta, 'token', 'holder', 'until', 'epoch', 'replid', 'node')
local verdict, replid, node = server(known[5], known[6])
local moment = now()
-- A lease of a server that may have lost its newest writes is void: its owner knows more than what is left.
local lost = verdict == 'other'
if known[2] and known[2] ~= ARGV[1] and tonumber(known[3]) > moment and not lost then
  return false
end
-- The clock, so that numbers go on growing after everything was flushed; the last one, in case the clock went back.
local token = whole(math.max((tonumber(known[1]) or 0) + 1, moment))
local epoch = known[4]
if lost or not epoch then
  epoch = ARGV[3]
end
redis.call('HSET', meta, 'token', token, 'holder', ARGV[1], 'until', whole(moment + tonumber(ARGV[2])),
  'epoch', epoch, 'replid', replid, 'node', node)
return token

-- Says whether this server may have lost writes since `known_replid` and `known_node` were noted in a partition's meta:
-- 'same'   it is the one that was noted: nothing is lost.
-- 'moved'  the partition's slot was migrated here from another node of the cluster: nothing is lost either.
-- 'other'  it was restarted, or took over from a failed one: its newest writes may be missing.
-- 'first'  nothing was noted before.
-- A master draws a new replication id at each start and each promotion; a promoted one keeps its former master's as
-- its second. So a node whose second id is the noted one took over, and any other node of a cluster got the slot.
local function server(known_replid, known_node)
  local info = redis.call('INFO', 'replication')
  local replid = info:match('master_replid:(%w+)')
  if replid == known_replid then
    return 'same', replid, known_node
  end
  local node = redis.pcall('CLUSTER', 'MYID')
  node = type(node) == 'string' and node or ''
  if not known_replid then
    return 'first', replid, node
  end
  if node ~= '' and node ~= known_node and known_replid ~= info:match('master_replid2:(%w+)') then
    return 'moved', replid, node
  end
  return 'other', replid, node
end

-- True where the token is the partition's newest, was not given up, and was given out by what this server still knows.
local function owns(meta, token)
  local known = redis.call('HMGET', meta, 'token', 'holder', 'replid', 'node')
  if known[1] ~= token or not known[2] then
    return false
  end
  local verdict, replid, node = server(known[3], known[4])
  if verdict == 'moved' then
    redis.call('HSET', meta, 'replid', replid, 'node', node)
  end
  return verdict == 'same' or verdict == 'moved'
end

-- Whole numbers beyond 14 digits, as Lua would not write them.
local function whole(number)
  return string.format('%.0f', number)
end

-- Microseconds of this server's clock.
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end


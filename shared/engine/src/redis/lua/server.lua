-- Tells whether this server may have lost writes since `known_replid` and `known_node` were stored in a partition's meta:
-- 'same'   it is the stored server: nothing is lost.
-- 'moved'  the partition's slot was migrated here from another node of the cluster: nothing is lost either.
-- 'other'  it was restarted, or was promoted after a failure: its newest writes may be missing.
-- 'first'  no server was stored before.
-- A master draws a new replication id at each start and each promotion; a promoted one keeps its former master's as
-- its second. So a node whose second id is the stored one was promoted, and any other cluster node got the slot.
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

-- Returns true if the token is the partition's newest, was not released, and this server has lost no write since.
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

-- Formats a whole number; Lua's own format loses digits beyond 14.
local function whole(number)
  return string.format('%.0f', number)
end

-- Returns this server's clock in microseconds.
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end


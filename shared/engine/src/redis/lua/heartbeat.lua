-- Counts a member of a group. KEYS: the group. ARGV: member, microseconds. Returns all live members.
redis.call('ZADD', KEYS[1], whole(now() + tonumber(ARGV[2])), ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. whole(now()))
return redis.call('ZRANGE', KEYS[1], 0, -1)

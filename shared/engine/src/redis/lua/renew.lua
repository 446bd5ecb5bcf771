-- Extends a lease. KEYS: meta. ARGV: token, microseconds. Returns 1, or 0 if the token is void.
if not owns(KEYS[1], ARGV[1]) then
  return 0
end
redis.call('HSET', KEYS[1], 'until', whole(now() + tonumber(ARGV[2])))
return 1

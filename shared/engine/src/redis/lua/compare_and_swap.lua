-- Sets or removes a field of a hash if the expected value is there. KEYS: the hash.
-- ARGV: field, 1 and the expected value or 0 and anything for none, 1 and the value or 0 and anything for none.
-- Returns 1 where it was, else 0.
local expected = ARGV[2] == '1' and ARGV[3]
if redis.call('HGET', KEYS[1], ARGV[1]) ~= expected then
  return 0
end
if ARGV[4] == '1' then
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[5])
else
  redis.call('HDEL', KEYS[1], ARGV[1])
end
return 1

-- Sets or removes a field of a hash if its value is the expected one. KEYS: the hash.
-- ARGV: field, then expected and new value, each as 1 and the value, or as 0 and any text for none.
-- Returns 1 if it was the expected one, else 0.
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

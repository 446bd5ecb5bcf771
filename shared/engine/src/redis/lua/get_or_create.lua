-- Sets a field of a hash if there is none. KEYS: the hash. ARGV: field, value. Returns the current value.
redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2])
return redis.call('HGET', KEYS[1], ARGV[1])

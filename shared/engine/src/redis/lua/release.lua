-- Gives a partition up. KEYS: meta. ARGV: token. One that is no longer held is left as it is.
if redis.call('HGET', KEYS[1], 'token') == ARGV[1] then
  redis.call('HDEL', KEYS[1], 'holder', 'until')
end
return 1

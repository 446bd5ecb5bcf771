-- Reads a partition as its owner last left it, all of one moment. KEYS: meta, state.
return {redis.call('HMGET', KEYS[1], 'position', 'published', 'seq'), redis.call('HGETALL', KEYS[2])}

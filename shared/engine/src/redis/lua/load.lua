-- Reads a partition's positions and state in one step. KEYS: meta, state.
return {redis.call('HMGET', KEYS[1], 'position', 'published', 'seq'), redis.call('HGETALL', KEYS[2])}

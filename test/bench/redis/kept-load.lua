-- Tells the whole state of a book that kept-state.lua keeps. KEYS 1 topic, 2 levels, 3 gone.
-- Answers epoch, seq, horizon, levels as field and 'size:count:seq' in turn, tombstones as field and seq in turn.
local held = redis.call('HMGET', KEYS[1], 'epoch', 'seq', 'horizon')
return {tonumber(held[1]), tonumber(held[2]), tonumber(held[3]) or 0, redis.call('HGETALL', KEYS[2]),
  redis.call('ZRANGE', KEYS[3], 0, -1, 'WITHSCORES')}

-- Begins a new epoch by compare-and-set. KEYS as in publish.lua.
-- ARGV 1 format, 2 expected epoch ('' where the scales decide), 3 new epoch, 4 replication id, 5 scales ('-': delisted)
local topic = KEYS[1]
local held = redis.call('HMGET', topic, 'format', 'epoch', 'scales')
if ARGV[1] ~= '1' or (held[1] and held[1] ~= '1') then return {'other-format', held[1] or ARGV[1]} end
if not held[2] then return {0, 0} end
if (ARGV[2] == '' and held[3] == ARGV[5]) or (ARGV[2] ~= '' and held[2] ~= ARGV[2]) then return {tonumber(held[2]), 0} end
local epoch, time = tonumber(ARGV[3]), redis.call('TIME')
redis.call('DEL', KEYS[2], KEYS[3], KEYS[4])
redis.call('HDEL', topic, 'horizon', 'baseBytes', 'foldAskedSeq')
redis.call('HSET', topic, 'format', 1, 'epoch', epoch, 'seq', 0, 'nonce', 0, 'whole', 0, 'replication', ARGV[4], 'scales',
  ARGV[5] == '' and held[3] or ARGV[5], 'base', 0, 'publishUs', 0, 'exchangeUs', '', 'doubted', 0)
if ARGV[5] == '-' then redis.call('EXPIRE', topic, 86400) end
redis.call('PUBLISH', topic, cmsgpack.pack({1, epoch, 0, time[1] * 1000000 + time[2], 0}))
return {epoch, 1}

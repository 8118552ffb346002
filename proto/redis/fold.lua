-- Stores a book's state as the base that the log goes on from. KEYS as in publish.lua.
-- ARGV 1 format, 2 epoch, 3 seq of the state, 4 the state
local topic = KEYS[1]
local held = redis.call('HMGET', topic, 'format', 'epoch', 'seq', 'base')
if ARGV[1] ~= '1' or (held[1] and held[1] ~= '1') then return {'other-format', held[1] or ARGV[1]} end
local seq = tonumber(ARGV[3])
if held[2] ~= ARGV[2] or seq > tonumber(held[3]) or seq <= (tonumber(held[4]) or 0) then return {0} end
redis.call('SET', KEYS[3], ARGV[4])
redis.call('HSET', topic, 'base', seq, 'baseBytes', #ARGV[4])
return {1}

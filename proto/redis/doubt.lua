-- Says whether a topic's source has lost its book. KEYS 1 topic. ARGV 1 format, 2 '1' or '0'
local topic = KEYS[1]
local held = redis.call('HMGET', topic, 'format', 'epoch', 'seq', 'doubted')
if ARGV[1] ~= '1' or (held[1] and held[1] ~= '1') then return {'other-format', held[1] or ARGV[1]} end
if not held[2] or held[4] == ARGV[2] then return {0} end
redis.call('HSET', topic, 'doubted', ARGV[2])
local time = redis.call('TIME')
local head = {1, tonumber(held[2]), tonumber(held[3]), time[1] * 1000000 + time[2], 0}
redis.call('PUBLISH', topic, cmsgpack.pack(head) .. cmsgpack.pack({5, tonumber(ARGV[2])}))
return {1}

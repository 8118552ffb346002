-- Takes a session, once for all gateways. KEYS 1 session
-- ARGV 1 format, 2 generation, 3 token, 4 principal, 5 milliseconds that it is known as used, 6 milliseconds that a session is known once
--      its life is over
local key, asked = KEYS[1], tonumber(ARGV[2])
local bytes = redis.call('GET', key)
local held = bytes and cmsgpack.unpack(bytes)
if ARGV[1] ~= '1' or (held and held[1] ~= 1) then return {'other-format', held and tostring(held[1]) or ARGV[1]} end
if not held or held[4] == 2 then return {'unknown'} end
if held[3] ~= ARGV[4] then return {'foreign'} end
if held[4] == 1 then return {'used'} end
local generation = held[2]
if asked < generation - 1 then return {'superseded'} end
if redis.call('PTTL', key) <= tonumber(ARGV[6]) then return {'expired'} end
-- A newer one than the newest is equal to neither.
local token = asked == generation and held[5] or held[6]
if token ~= ARGV[3] then return {'unknown'} end
-- First the deletion: a Redis without memory takes what follows one.
redis.call('DEL', key)
redis.call('SET', key, cmsgpack.pack({1, generation, held[3], 1}), 'PX', ARGV[5])
return {generation, held[7]}

-- Takes, holds on to or gives back the lease of a topic. KEYS 1 topic.
-- ARGV 1 format, 2 'take' or 'release', 3 fencing token held ('' for none), 4 life in milliseconds
local topic = KEYS[1]
local held = redis.call('HMGET', topic, 'format', 'token', 'leasedUntilMs')
if ARGV[1] ~= '1' or (held[1] and held[1] ~= '1') then return {'other-format', held[1] or ARGV[1]} end
local time = redis.call('TIME')
local nowMs = math.floor(tonumber(time[1]) * 1000 + tonumber(time[2]) / 1000)
local leased = held[3] and tonumber(held[3]) > nowMs
local mine = leased and ARGV[3] == held[2]
if ARGV[2] == 'release' then
  if mine then redis.call('HSET', topic, 'leasedUntilMs', 0) end
  return {mine and 1 or 0}
end
if leased and not mine then return {'leased', tonumber(held[3]) - nowMs} end
-- Of the clock, so that it grows even where Redis has forgotten the last one.
local token = mine and tonumber(held[2]) or math.max((tonumber(held[2]) or 0) + 1, nowMs)
redis.call('HSET', topic, 'format', 1, 'token', token, 'leasedUntilMs', nowMs + tonumber(ARGV[4]))
return {token, tonumber(ARGV[4])}

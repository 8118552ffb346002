-- Says which gateway takes what is published plainly, and remembers whose books it took. KEYS 1 taker, 2 sources
-- ARGV 1 format, 2 'take', 'release', 'remember' or 'forget', 3 name of the gateway; to take: 4 life in milliseconds, 5 term that it
--      knows (0 for none); to remember: 4 symbols at most, 5 symbol, 6 source; to forget: 4 symbol
local taker, sources = KEYS[1], KEYS[2]
local held = redis.call('HMGET', taker, 'format', 'holder', 'term', 'heldUntilMs')
if ARGV[1] ~= '1' or (held[1] and held[1] ~= '1') then return {'other-format', held[1] or ARGV[1]} end
local time = redis.call('TIME')
local nowMs = math.floor(tonumber(time[1]) * 1000 + tonumber(time[2]) / 1000)
local current = held[4] and tonumber(held[4]) > nowMs
local mine = current and held[2] == ARGV[3]
if ARGV[2] == 'take' then
  if current and not mine then return {0, tonumber(held[4]) - nowMs} end
  -- The time, not a count: it is another one too where the key was lost.
  local term = mine and tonumber(held[3]) or time[1] * 1000000 + time[2]
  redis.call('HSET', taker, 'format', 1, 'holder', ARGV[3], 'term', term, 'heldUntilMs', nowMs + tonumber(ARGV[4]))
  local answer = {1, term}
  if tonumber(ARGV[5]) ~= term then
    for _, each in ipairs(redis.call('HGETALL', sources)) do answer[#answer + 1] = each end
  end
  return answer
end
if not mine then return {0} end
if ARGV[2] == 'release' then
  redis.call('HSET', taker, 'heldUntilMs', 0)
  redis.call('PUBLISH', taker, '')
elseif ARGV[2] == 'forget' then
  redis.call('HDEL', sources, ARGV[4])
elseif redis.call('HEXISTS', sources, ARGV[5]) == 0 and redis.call('HLEN', sources) >= tonumber(ARGV[4]) then
  return {0}
else
  redis.call('HSET', sources, ARGV[5], ARGV[6])
end
return {1}

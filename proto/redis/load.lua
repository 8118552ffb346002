-- Tells a topic's head and, where asked for, its whole state; a topic that nobody published yet gets its epoch here.
-- KEYS as in publish.lua
-- ARGV 1 format, 2 epoch to begin with, 3 replication id, 4 scales, 5 'head', 'book' or 'recent', 6 entries at most
local topic = KEYS[1]
local held = redis.call('HMGET', topic, 'format', 'epoch', 'seq', 'nonce', 'replication', 'base', 'publishUs', 'exchangeUs',
  'doubted', 'horizon', 'scales')
if ARGV[1] ~= '1' or (held[1] and held[1] ~= '1') then return {'other-format', held[1] or ARGV[1]} end
if not held[2] then
  redis.call('HSET', topic, 'format', 1, 'epoch', ARGV[2], 'seq', 0, 'nonce', 0, 'whole', 0, 'replication', ARGV[3], 'scales',
    ARGV[4], 'base', 0, 'publishUs', 0, 'exchangeUs', '', 'doubted', 0)
  -- Only looked at: it is forgotten unless somebody publishes.
  redis.call('EXPIRE', topic, 86400)
  held = {'1', ARGV[2], 0, 0, ARGV[3]}
elseif ARGV[3] ~= '' and held[5] ~= '' and held[5] ~= ARGV[3] then
  return {'other-replication', tonumber(held[2])}
elseif ARGV[4] ~= '' and held[11] ~= ARGV[4] then
  -- Its numbers mean something else than who asks would take them for.
  if held[11] ~= '' and held[11] ~= '-' then return {'other-scales', held[11]} end
  -- What is published from now on is read by these.
  redis.call('HSET', topic, 'scales', ARGV[4])
end
local base = tonumber(held[6]) or 0
local answer = {tonumber(held[2]), tonumber(held[3]) or 0, tonumber(held[4]) or 0, tonumber(held[7]) or 0,
  tonumber(held[8]) or -1, held[9] == '1' and 1 or 0, base}
if ARGV[5] == 'book' then
  answer[8] = tonumber(held[10]) or 0
  answer[9] = redis.call('GET', KEYS[3]) or ''
elseif ARGV[5] ~= 'head' then
  answer[8] = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', ARGV[6])
end
return answer

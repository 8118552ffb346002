-- Owns a list that all gateways of one Redis share: what is put under a name holds until the name is put again. Instruments and
-- named sets are such lists; `src/bus/registry-list.ts` calls it. Invariant: every change takes the list's next revision, and is
-- stored and published in one step; what changes nothing takes none.
--
-- KEYS: the list, a hash of name to JSON text, with its fields `:incarnation` (which life of the list) and `:revision` (the last
-- one); its revisions, a sorted set of names; its tombstones, likewise. The channel has the list's name.
--
-- read INCARNATION REVISION NAMES_MAX BYTES_MAX: what changed after that revision, oldest first; all of it where the list is not of
--   that incarnation, or has not come to that revision. Answers [incarnation or null, from, reached, last, name, revision, text, ...];
--   where reached is below last there is more.
-- write INCARNATION TOMBSTONES_MAX (NAME TEXT TOMBSTONE CONDITION)...: puts each; a list that is not there begins with that
--   incarnation. TOMBSTONE is 1 where the text says that the name is gone, else 0. CONDITION is the newest revision of the name that
--   may be replaced, 0 for none, or `always`. Answers [incarnation, revision, ...], a revision of 0 where something newer stands.
-- A message is the JSON text [incarnation, revision, name, value].

local list, revisions, tombstones = KEYS[1], KEYS[2], KEYS[3]
local incarnation = redis.call('HGET', list, ':incarnation')
local last = tonumber(redis.call('HGET', list, ':revision') or 0)

-- Lua writes large numbers with an exponent.
local function digits(number)
  return string.format('%.0f', number)
end

if ARGV[1] == 'read' then
  local from, namesMax, bytesMax = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
  if not incarnation then return { false, 0, 0, 0 } end
  if ARGV[2] ~= incarnation or from > last then from = 0 end
  local found =
    redis.call('ZRANGEBYSCORE', revisions, '(' .. digits(from), '+inf', 'WITHSCORES', 'LIMIT', 0, namesMax)
  local reply = { incarnation, from, last, last }
  local bytes = 0
  for i = 1, #found, 2 do
    local text = redis.call('HGET', list, found[i])
    if text then
      reply[#reply + 1] = found[i]
      reply[#reply + 1] = tonumber(found[i + 1])
      reply[#reply + 1] = text
      bytes = bytes + #text
    end
    if bytes >= bytesMax or i + 1 == 2 * namesMax then
      reply[3] = tonumber(found[i + 1])
      break
    end
  end
  return reply
end

if ARGV[1] ~= 'write' then return redis.error_reply('ERR list: the first argument is read or write') end

if not incarnation then
  incarnation = ARGV[2]
  redis.call('HSET', list, ':incarnation', incarnation)
  redis.call('DEL', revisions, tombstones)
end
local reply = { incarnation }
for i = 4, #ARGV, 4 do
  local name, text, tombstone, condition = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  local revision = tonumber(redis.call('ZSCORE', revisions, name) or nil)
  local stored = revision and redis.call('HGET', list, name)
  if stored == text then
    reply[#reply + 1] = revision
  elseif stored and condition ~= 'always' and revision > tonumber(condition) then
    reply[#reply + 1] = 0
  else
    revision = redis.call('HINCRBY', list, ':revision', 1)
    redis.call('HSET', list, name, text)
    redis.call('ZADD', revisions, revision, name)
    if tombstone == '1' then
      redis.call('ZADD', tombstones, revision, name)
    else
      redis.call('ZREM', tombstones, name)
    end
    redis.call('PUBLISH', list, '["' .. incarnation .. '",' .. digits(revision) .. ',' .. cjson.encode(name) .. ',' .. text .. ']')
    reply[#reply + 1] = revision
  end
end

-- The oldest tombstones are forgotten: a node that has been away for longer than that lists what it held.
local excess = redis.call('ZCARD', tombstones) - tonumber(ARGV[3])
if excess > 0 then
  for _, name in ipairs(redis.call('ZRANGE', tombstones, 0, excess - 1)) do
    redis.call('HDEL', list, name)
    redis.call('ZREM', revisions, name)
  end
  redis.call('ZREMRANGEBYRANK', tombstones, 0, excess - 1)
end
return reply

-- Sequences updates of one topic: next seq, log, state, PUBLISH, in one step. proto/redis.md documents keys, arguments, answers.
-- KEYS 1 topic, 2 log, 3 levels, 4 bids, 5 asks, 6 gone, 7 keys
-- ARGV 1 format, 2 epoch to begin with, 3 nonce, 4 replication id, 5 scales, 6 fencing token, 7 log entries kept,
--      8 tombstones kept, 9 whether it is sent again ('1'); then for each update its idempotency key ('' for none) and itself
local KEYS_MAX = 1024
local topic, log = KEYS[1], KEYS[2]
local held = redis.call('HMGET', topic, 'format', 'epoch', 'seq', 'whole', 'replication', 'scales', 'horizon', 'token',
  'leasedUntilMs', 'doubted')
if held[1] and tonumber(held[1]) > 1 then return {'newer-format', held[1]} end
if tonumber(ARGV[1]) ~= 1 then return {'newer-format', ARGV[1]} end
local time = redis.call('TIME')
local nowUs = tonumber(time[1]) * 1000000 + tonumber(time[2])
local epoch, seq, whole = tonumber(held[2]), tonumber(held[3]) or 0, held[4] == '1'
local replication, scales, horizon = held[5], held[6], tonumber(held[7]) or 0
local begins = not epoch
if begins then
  epoch, replication, scales = tonumber(ARGV[2]), ARGV[4], ARGV[5]
else
  if ARGV[4] ~= '' and replication ~= '' and ARGV[4] ~= replication then
    return {'other-replication', string.format('%.0f', epoch)}
  end
  if ARGV[5] ~= '' and scales ~= ARGV[5] then
    if scales ~= '' and scales ~= '-' then return {'other-scales', scales} end
    scales = ARGV[5]
  end
end
local leased = held[9] and tonumber(held[9]) * 1000 > nowUs
if ARGV[6] == '' then
  if leased then return {'leased', held[8]} end
elseif not leased or ARGV[6] ~= held[8] then
  return {'fenced', held[8] or ''}
end
local sole = leased
local firstNonce = tonumber(ARGV[3])
local logMax, goneMax = ARGV[7], tonumber(ARGV[8])

local function text(number) return string.format('%.0f', number) end

-- Arguments of one command in portions: Lua's stack holds some thousands.
local function inPortions(command, key, args, step)
  for first = 1, #args, 4 * step * 250 do
    redis.call(command, key, unpack(args, first, math.min(#args, first + 4 * step * 250 - 1)))
  end
end

-- The best price of a side after an update; nil where it would be empty.
local function bestAfter(prices, flat, sign, replaced)
  local best, removed = nil, {}
  for i = 1, #flat, 3 do
    if flat[i + 1] == 0 then removed[flat[i]] = true
    elseif not best or (flat[i] - best) * sign > 0 then best = flat[i] end
  end
  if replaced then return best end
  for first = 0, math.huge, 16 do
    local found = redis.call(sign > 0 and 'ZREVRANGE' or 'ZRANGE', prices, first, first + 15)
    for _, price in ipairs(found) do
      price = tonumber(price)
      if best and (best - price) * sign > 0 then return best end
      if not removed[price] then return price end
    end
    if #found < 16 then return best end
  end
end

local function crosses(update)
  local bid = bestAfter(KEYS[4], update[3], 1, update[1] == 1)
  local ask = bestAfter(KEYS[5], update[4], -1, update[1] == 1)
  return bid and ask and bid > ask
end

-- What an update changes, gathered over both sides.
local set, unset, gone, back = {}, {}, {}, {}
local prices, unpriced = {{}, {}}, {{}, {}}

local function put(side, field, price, size, count, before)
  local value = text(size) .. ':' .. text(count)
  if before and string.sub(before, 1, #value + 1) == value .. ':' then return end
  set[#set + 1] = field
  set[#set + 1] = value .. ':' .. text(seq)
  if before then return end
  local added = prices[side]
  added[#added + 1] = price
  added[#added + 1] = price
  back[#back + 1] = field
end

local function remove(side, field, price)
  unset[#unset + 1] = field
  unpriced[side][#unpriced[side] + 1] = price
  gone[#gone + 1] = seq
  gone[#gone + 1] = field
end

local function write()
  if #set > 0 then inPortions('HSET', KEYS[3], set, 2) end
  if #unset > 0 then inPortions('HDEL', KEYS[3], unset, 1) end
  for side = 1, 2 do
    if #prices[side] > 0 then inPortions('ZADD', KEYS[3 + side], prices[side], 2) end
    if #unpriced[side] > 0 then inPortions('ZREM', KEYS[3 + side], unpriced[side], 1) end
    prices[side], unpriced[side] = {}, {}
  end
  if #back > 0 then inPortions('ZREM', KEYS[6], back, 1) end
  if #gone > 0 then
    inPortions('ZADD', KEYS[6], gone, 2)
    local over = redis.call('ZCARD', KEYS[6]) - goneMax
    if over > 0 then
      local forgotten = redis.call('ZPOPMIN', KEYS[6], over)
      horizon = math.max(horizon, tonumber(forgotten[#forgotten]))
    end
  end
  set, unset, gone, back = {}, {}, {}, {}
end

local NAMES = {'b', 'a'}

local function applyDelta(update)
  local fields = {}
  for side = 1, 2 do
    local flat = update[side + 2]
    for i = 1, #flat, 3 do fields[#fields + 1] = NAMES[side] .. text(flat[i]) end
  end
  if #fields == 0 then return end
  local known = {}
  for first = 1, #fields, 1000 do
    local found = redis.call('HMGET', KEYS[3], unpack(fields, first, math.min(#fields, first + 999)))
    for i = 1, #found do known[first + i - 1] = found[i] end
  end
  local place = 0
  for side = 1, 2 do
    local flat = update[side + 2]
    for i = 1, #flat, 3 do
      place = place + 1
      if flat[i + 1] > 0 then put(side, fields[place], flat[i], flat[i + 1], flat[i + 2], known[place])
      elseif known[place] then remove(side, fields[place], flat[i]) end
    end
  end
  write()
end

local function applySnapshot(update)
  local found, before, named = redis.call('HGETALL', KEYS[3]), {}, {}
  for i = 1, #found, 2 do before[found[i]] = found[i + 1] end
  for side = 1, 2 do
    local flat = update[side + 2]
    for i = 1, #flat, 3 do
      local field = NAMES[side] .. text(flat[i])
      if flat[i + 1] > 0 then
        named[field] = true
        put(side, field, flat[i], flat[i + 1], flat[i + 2], before[field])
      end
    end
  end
  for i = 1, #found, 2 do
    local field = found[i]
    if not named[field] then
      remove(string.sub(field, 1, 1) == 'b' and 1 or 2, field, tonumber(string.sub(field, 2)))
    end
  end
  write()
end

-- Sent again since no answer came: what was sequenced then stands in the log, under its nonce.
local places, repeated = {}, false
if ARGV[9] == '1' then
  for _, entry in ipairs(redis.call('XREVRANGE', log, '+', '-', 'COUNT', logMax)) do
    local _, head = cmsgpack.unpack_one(entry[2][2])
    local index = head[5] - firstNonce
    if index >= 0 and index < #ARGV then
      places[index] = head[3]
      repeated = true
    end
  end
end

-- Looked at before anything is written: a script that fails half way would leave half.
local function flawed(flat)
  if type(flat) ~= 'table' or #flat % 3 ~= 0 then return true end
  for i = 1, #flat, 3 do
    local price, size, count = flat[i], flat[i + 1], flat[i + 2]
    if type(price) ~= 'number' or type(size) ~= 'number' or type(count) ~= 'number' then return true end
    if price % 1 ~= 0 or size % 1 ~= 0 or count % 1 ~= 0 or size < 0 or count < 0 then return true end
  end
end

local updates = {}
for i = 11, #ARGV, 2 do
  local readable, update = pcall(cmsgpack.unpack, ARGV[i])
  local kind = readable and type(update) == 'table' and update[1]
  if type(kind) ~= 'number' or kind % 1 ~= 0 or kind < 0 or kind > 4 then return {'bad-update', (i - 11) / 2} end
  if kind <= 1 and (flawed(update[3]) or flawed(update[4])) then return {'bad-update', (i - 11) / 2} end
  updates[(i - 11) / 2] = update
end

local before, exchangeUs, nonce = seq, nil, nil
local answers = {epoch}
local doubted = held[10] == '1'
for i = 10, #ARGV, 2 do
  local key, bytes, index = ARGV[i], ARGV[i + 1], (i - 10) / 2
  local update, place = updates[index], places[index]
  if not place and key ~= '' then place = redis.call('ZSCORE', KEYS[7], key) end
  local kind = update[1]
  if place then
    answers[#answers + 1] = tonumber(place)
  elseif kind <= 1 and (repeated or (kind == 0 and not whole)) then
    answers[#answers + 1] = 'needs-snapshot'
  elseif kind <= 1 and sole and crosses(update) then
    answers[#answers + 1] = 'crossed'
  else
    seq = seq + 1
    nonce = firstNonce + index
    local message = cmsgpack.pack({1, epoch, seq, nowUs, nonce}) .. bytes
    redis.call('XADD', log, 'MAXLEN', '~', logMax, text(seq) .. '-0', 'e', message)
    if kind == 0 then
      applyDelta(update)
    elseif kind == 1 then
      applySnapshot(update)
      whole, doubted = true, false
    end
    if key ~= '' then
      redis.call('ZADD', KEYS[7], seq, key)
      if redis.call('ZCARD', KEYS[7]) > KEYS_MAX then redis.call('ZPOPMIN', KEYS[7]) end
    end
    redis.call('PUBLISH', topic, message)
    exchangeUs = update[2] or ''
    answers[#answers + 1] = seq
  end
end
if seq > before then
  redis.call('HSET', topic, 'format', 1, 'epoch', epoch, 'seq', seq, 'nonce', nonce, 'whole', whole and 1 or 0, 'replication',
    replication, 'scales', scales, 'horizon', horizon, 'publishUs', nowUs, 'exchangeUs', exchangeUs, 'doubted', doubted and 1 or 0)
  if before == 0 then redis.call('PERSIST', topic) end
end
return answers

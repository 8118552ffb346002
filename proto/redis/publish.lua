-- Sequences updates of one topic: next seq, log, PUBLISH, in one step. proto/redis.md documents keys, arguments and answers.
-- KEYS 1 topic, 2 log, 3 base, 4 keys
-- ARGV 1 format, 2 epoch to begin with, 3 nonce, 4 replication id, 5 scales, 6 fencing token, 7 expected seq, 8 log entries kept,
--      9 microseconds since it was first sent ('' where this is the first time); then for each update its idempotency key
--      ('' for none) and itself
local KEYS_MAX = 1024
local FOLD_ENTRIES_MIN, FOLD_BYTES_PER_ENTRY, UNFOLDED_FACTOR = 256, 128, 16
local topic, log = KEYS[1], KEYS[2]
local held = redis.call('HMGET', topic, 'format', 'epoch', 'seq', 'whole', 'replication', 'scales', 'token', 'leasedUntilMs',
  'doubted', 'base', 'baseBytes', 'foldAskedSeq')
if ARGV[1] ~= '1' or (held[1] and held[1] ~= '1') then return {'other-format', held[1] or ARGV[1]} end
local time = redis.call('TIME')
local nowUs = time[1] * 1000000 + time[2]
local epoch, seq, complete = tonumber(held[2]), tonumber(held[3]) or 0, held[4] == '1'
local replication, scales = held[5], held[6]
if not epoch then
  epoch, replication, scales = tonumber(ARGV[2]), ARGV[4], ARGV[5]
else
  if ARGV[4] ~= '' and replication ~= '' and ARGV[4] ~= replication then return {'other-replication', epoch} end
  if ARGV[5] ~= '' and scales ~= ARGV[5] then
    if scales ~= '' and scales ~= '-' then return {'other-scales', scales} end
    scales = ARGV[5]
  end
end
local leased = held[8] and held[8] * 1000 > nowUs
if ARGV[6] == '' then
  if leased then return {'leased', held[7]} end
elseif not leased or ARGV[6] ~= held[7] then
  return {'fenced', held[7] or ''}
end

-- Everything is looked at before anything is written: a script that fails half way leaves half behind. What is let through can be
-- read by every gateway: whole numbers below 2^53, UTF-8, nothing else.
local LARGEST, NIL = 9007199254740991, string.char(0xc0)
local ELEMENTS, CHANNELS = {[0] = 4, 4, 6, 7, 4}, {[0] = 'book', 'book', 'quote', 'trade', 'status'}
local channel = string.match(topic, '{(%a+):')
local function whole(value) return type(value) == 'number' and value % 1 == 0 and value >= -LARGEST and value <= LARGEST end
local function upTo(value, largest) return whole(value) and value >= 0 and value <= largest end
local function absent(value) return value == nil or whole(value) end
local function flawed(flat)
  if type(flat) ~= 'table' then return true end
  local count = 0
  for place, value in pairs(flat) do
    count = count + 1
    if type(place) ~= 'number' or not whole(value) or (place % 3 ~= 1 and value < 0) then return true end
  end
  return count ~= #flat or count % 3 ~= 0
end
local function readable(text, largest)
  if type(text) ~= 'string' or #text > largest then return false end
  local at = string.find(text, '[\128-\255]')
  while at and at <= #text do
    local first, second = string.byte(text, at, at + 1)
    local more = first < 0x80 and 0 or first < 0xc2 and 9 or first < 0xe0 and 1 or first < 0xf0 and 2 or first < 0xf5 and 3 or 9
    if more > 0 and not (second and second >= 0x80 and second <= 0xbf) then return false end
    if (first == 0xe0 and second < 0xa0) or (first == 0xed and second > 0x9f) or (first == 0xf0 and second < 0x90)
      or (first == 0xf4 and second > 0x8f) then return false end
    for i = 2, more do
      local byte = string.byte(text, at + i)
      if not byte or byte < 0x80 or byte > 0xbf then return false end
    end
    at = at + more + 1
  end
  return true
end
local function misshapen(update)
  local kind = update[1]
  if CHANNELS[kind] ~= channel then return true end
  for place in pairs(update) do
    if not upTo(place, ELEMENTS[kind]) then return true end
  end
  if not absent(update[2]) then return true end
  if kind <= 1 then return flawed(update[3]) or flawed(update[4]) end
  if kind == 2 then
    return not (absent(update[3]) and upTo(update[4], LARGEST) and absent(update[5]) and upTo(update[6], LARGEST))
  end
  if kind == 3 then
    local named = absent(update[3]) or readable(update[3], 256)
    return not (named and upTo(update[4], 2) and upTo(update[5], 2) and whole(update[6]) and upTo(update[7], LARGEST))
  end
  return not (upTo(update[3], 3) and (update[4] == nil or readable(update[4], 1024)))
end
-- Numbers in their shortest form, whatever they came in.
local function packed(update)
  local parts, count = {string.char(0x90 + ELEMENTS[update[1]])}, ELEMENTS[update[1]]
  for i = 1, count do parts[i + 1] = update[i] == nil and NIL or cmsgpack.pack(update[i]) end
  return table.concat(parts)
end
local kinds, times, updates = {}, {}, {}
for i = 11, #ARGV, 2 do
  local index = (i - 11) / 2
  local unpacked, update = pcall(cmsgpack.unpack, ARGV[i])
  local kind = unpacked and type(update) == 'table' and update[1]
  if not upTo(kind, 4) then return {'bad-update', index} end
  if misshapen(update) then return {'bad-update', index} end
  kinds[index], times[index], updates[index] = kind, update[2] or '', packed(update)
end

-- Sent again since no answer came: what was sequenced then stands in the log, under its nonce.
local places, repeated, firstNonce = {}, false, tonumber(ARGV[3])
if ARGV[9] ~= '' then
  local found, oldestUs = redis.call('XREVRANGE', log, '+', '-', 'COUNT', ARGV[8]), 0
  for _, entry in ipairs(found) do
    local _, head = cmsgpack.unpack_one(entry[2][2])
    oldestUs = head[4]
    local index = head[5] - firstNonce
    if index >= 0 and index < (#ARGV - 9) / 2 then
      places[index] = head[3]
      repeated = true
    end
  end
  -- The log no longer reaches back to then.
  if not repeated and #found >= tonumber(ARGV[8]) and oldestUs > nowUs - tonumber(ARGV[9]) then return {'unsure', #found} end
end
if ARGV[7] ~= '' and not repeated and tonumber(ARGV[7]) ~= seq then return {'moved', seq} end

local base, before, last = tonumber(held[10]) or 0, seq, nil
local logMax = tonumber(ARGV[8])
local answers = {epoch, 0}
local doubted, resumed = held[9] == '1', false
for i = 10, #ARGV, 2 do
  local key, index = ARGV[i], (i - 10) / 2
  local kind, place = kinds[index], places[index]
  if not place and key ~= '' then
    -- Negative: the place of the first one, nothing new was sequenced.
    local known = redis.call('ZSCORE', KEYS[4], key)
    place = known and -tonumber(known)
  end
  -- Nobody folds the log: a snapshot is a base as well.
  local full = kind <= 1 and seq - base >= UNFOLDED_FACTOR * logMax
  if place then
    answers[#answers + 1] = tonumber(place)
  elseif kind <= 1 and (repeated or (kind == 0 and (full or not complete))) then
    answers[#answers + 1] = 'needs-snapshot'
  elseif repeated then
    -- It went in with the others, so long ago that the log does not tell where.
    answers[#answers + 1] = 'unsure'
  else
    if full then
      redis.call('DEL', KEYS[3])
      base, resumed = seq, true
    end
    seq, last = seq + 1, index
    local message = cmsgpack.pack({1, epoch, seq, nowUs, firstNonce + index}) .. updates[index]
    local keep = seq - logMax + 1
    if kind <= 1 and keep > base + 1 then keep = base + 1 end
    redis.call('XADD', log, 'MINID', '~', string.format('%.0f', math.max(keep, 0)), string.format('%.0f-0', seq), 'e', message)
    redis.call('PUBLISH', topic, message)
    if kind == 1 then complete, doubted = true, false end
    if key ~= '' then
      redis.call('ZADD', KEYS[4], seq, key)
      if redis.call('ZCARD', KEYS[4]) > KEYS_MAX then redis.call('ZPOPMIN', KEYS[4]) end
    end
    answers[#answers + 1] = seq
  end
end
if last then
  redis.call('HSET', topic, 'format', 1, 'epoch', epoch, 'seq', seq, 'nonce', firstNonce + last, 'whole', complete and 1 or 0,
    'replication', replication, 'scales', scales, 'publishUs', nowUs, 'exchangeUs', times[last], 'doubted', doubted and 1 or 0)
  if before == 0 then redis.call('PERSIST', topic) end
  if resumed then redis.call('HSET', topic, 'base', base, 'baseBytes', 0, 'horizon', base + 1) end
  local unfolded = FOLD_ENTRIES_MIN + (tonumber(held[11]) or 0) / FOLD_BYTES_PER_ENTRY
  if kinds[last] <= 1 and seq - base >= unfolded and seq - (tonumber(held[12]) or 0) >= unfolded then
    redis.call('HSET', topic, 'foldAskedSeq', seq)
    answers[2] = 1
  end
end
return answers

-- Answers the keys that sign tokens; makes the first one, and a new one in time. KEYS 1 keys
-- ARGV 1 format, 2 the key in use here, 3 a new key, 4 milliseconds until a key is followed by a new one, 5 milliseconds that a key is
--      known before it signs, 6 keys kept
local ring = KEYS[1]
local held = redis.call('HMGET', ring, 'format', 'madeMs', 'keys')
if ARGV[1] ~= '1' or (held[1] and held[1] ~= '1') then return {'other-format', held[1] or ARGV[1]} end
local time = redis.call('TIME')
local nowMs = math.floor(tonumber(time[1]) * 1000 + tonumber(time[2]) / 1000)
local madeMs, keys = tonumber(held[2]), held[3]
local changed = true
if not keys then
  -- Where Redis has lost them, those that the gateways go on with: it signs at once.
  madeMs, keys = nowMs - tonumber(ARGV[5]), ARGV[2]
elseif nowMs - madeMs >= tonumber(ARGV[4]) then
  madeMs = nowMs
  local kept = {ARGV[3]}
  for key in string.gmatch(keys, '[^,]+') do
    if #kept < tonumber(ARGV[6]) then kept[#kept + 1] = key end
  end
  keys = table.concat(kept, ',')
else
  changed = false
end
if changed then redis.call('HSET', ring, 'format', 1, 'madeMs', string.format('%.0f', madeMs), 'keys', keys) end
local fresh = nowMs - madeMs < tonumber(ARGV[5]) and string.find(keys, ',', 1, true)
return {fresh and 1 or 0, keys}

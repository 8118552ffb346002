-- Writes down sessions: that they go on, what is to come back, that they are over. KEYS sessions
-- ARGV 1 format, 2 milliseconds that a session is known once its life is over; then for each session its life in milliseconds (0: drop
--      it, negative: revoked, which is known for so long), generation, token, former token, principal, state ('' as it is, '-' none)
if ARGV[1] ~= '1' then return {'other-format', ARGV[1]} end
local records, answer = {}, {}
for i, key in ipairs(KEYS) do
  local bytes = redis.call('GET', key)
  records[i] = bytes and cmsgpack.unpack(bytes)
  if bytes and records[i][1] ~= 1 then return {'other-format', tostring(records[i][1])} end
end
for i, key in ipairs(KEYS) do
  local at, held = i * 6 - 3, records[i]
  local life, generation, principal, state = tonumber(ARGV[at]), tonumber(ARGV[at + 1]), ARGV[at + 4], ARGV[at + 5]
  answer[i] = held and 1 or 2
  if held and held[4] ~= 0 then
    -- It was redeemed elsewhere, or revoked: nothing brings it back.
    answer[i] = 0
  elseif life == 0 then
    redis.call('DEL', key)
  elseif life < 0 then
    redis.call('SET', key, cmsgpack.pack({1, generation, principal, 2}), 'PX', -life)
  elseif not held or held[2] <= generation then
    if state == '' then state = held and held[7] or '' elseif state == '-' then state = '' end
    local record = {1, generation, principal, 0, ARGV[at + 2], ARGV[at + 3], state}
    redis.call('SET', key, cmsgpack.pack(record), 'PX', life + tonumber(ARGV[2]))
  end
end
return answer

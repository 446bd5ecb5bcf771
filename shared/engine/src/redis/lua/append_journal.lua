-- Writes records to the end of a journal and trims what is too old. KEYS: the journal. ARGV: milliseconds to keep, records.
local newest
for i = 2, #ARGV do
  -- Numbered by the stream: by the clock, and never back where the clock goes back.
  newest = redis.call('XADD', KEYS[1], '*', 'r', ARGV[i])
end
if newest then
  -- Age is counted from the newest note: the clock may tick between two commands of a script.
  local at = tonumber(newest:match('^(%d+)'))
  redis.call('XTRIM', KEYS[1], 'MINID', whole(math.max(0, at - tonumber(ARGV[1]))) .. '-0')
end
return 1

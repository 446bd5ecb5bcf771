-- Appends records to a journal and trims expired entries. KEYS: the journal. ARGV: milliseconds to keep, records.
local newest
for i = 2, #ARGV do
  -- The stream assigns ids by the clock, and keeps them growing if the clock is set back.
  newest = redis.call('XADD', KEYS[1], '*', 'r', ARGV[i])
end
if newest then
  -- Age is measured from the newest entry: the clock may tick between two commands of a script.
  local at = tonumber(newest:match('^(%d+)'))
  redis.call('XTRIM', KEYS[1], 'MINID', whole(math.max(0, at - tonumber(ARGV[1]))) .. '-0')
end
return 1

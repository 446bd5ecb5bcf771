-- Writes records to the end of a journal and trims what is too old. KEYS: the journal. ARGV: milliseconds to keep, records.
for i = 2, #ARGV do
  -- Numbered by the stream: by the clock, and never back where the clock goes back.
  redis.call('XADD', KEYS[1], '*', 'r', ARGV[i])
end
redis.call('XTRIM', KEYS[1], 'MINID', whole(math.max(0, math.floor(now() / 1000) - tonumber(ARGV[1]))) .. '-0')
return 1

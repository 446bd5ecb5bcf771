-- Publishes a batch: offsets, histories, newest state, pub/sub messages. KEYS: meta, then hash and events of each room.
-- ARGV: token, expected number of batches, position, channel of publications, packed names of the rooms, maximum size of
--       a message, then of each room the number of events and the milliseconds of its history, then of each publication:
--       its room's index, lane, position, packed frame, and the snapshot if the lane is a capital.
-- Returns OK and the number of batches, or FENCED, or DIVERGED and the number of batches.
local meta = KEYS[1]
if not owns(meta, ARGV[1]) then
  return {'FENCED'}
end
local known = redis.call('HMGET', meta, 'seq', 'published', 'epoch')
local seq, published = tonumber(known[1]) or 0, tonumber(known[2]) or 0
if seq ~= tonumber(ARGV[2]) then
  return {'DIVERGED', whole(seq)}
end
seq = seq + 1

local room_count = (#KEYS - 1) / 2
local rooms = {}
for i = 1, room_count do
  local head = redis.call('HMGET', KEYS[2 * i], 'head', 'last', 'newest')
  rooms[i] = {head = tonumber(head[1]) or 0, last = tonumber(head[2]) or 0, newest = tonumber(head[3]), written = {}}
end

local packed = {}
local at = 7 + 2 * room_count
while at <= #ARGV do
  local number, lane, position, frame = tonumber(ARGV[at]), ARGV[at + 1], tonumber(ARGV[at + 2]), ARGV[at + 3]
  local has_snapshot = lane == 'E' or lane == 'S'
  local is_event = lane == 'e' or lane == 'E'
  -- Omits an event that was published before, and its snapshot too, because a newer one is stored.
  if not is_event or position > published then
    local room = rooms[number]
    room.head = room.head + 1
    local made = struct.unpack('>i8', frame)
    room.newest = math.max(room.newest or made, made)
    if is_event then
      -- With the offset of the previous event, so that the oldest stored event tells the last trimmed offset.
      redis.call('XADD', KEYS[2 * number + 1], whole(room.head) .. '-0', 'f', struct.pack('>I8', room.last) .. frame)
      room.last, room.grown = room.head, true
    else
      room.written.state = struct.pack('>I8', room.head) .. frame
    end
    if has_snapshot then
      room.written.snapshot = ARGV[at + 4]
    end
    packed[#packed + 1] = struct.pack('>I2I8I4', number - 1, room.head, #frame) .. frame
  end
  at = at + (has_snapshot and 5 or 4)
end

-- Trims a history that exceeds a limit by a sixteenth, so that one trim removes many events.
local function trim(events, most, age_ms, newest)
  if redis.call('XLEN', events) > most + math.floor(most / 16) then
    redis.call('XTRIM', events, 'MAXLEN', whole(most))
  end
  local function made(entry)
    return struct.unpack('>i8', entry[2][2], 9)
  end
  local from = redis.call('XRANGE', events, '-', '+', 'COUNT', 1)
  if from[1] and newest - made(from[1]) > age_ms + age_ms / 16 then
    repeat
      local last_old, first_young
      for _, entry in ipairs(from) do
        if newest - made(entry) <= age_ms then
          first_young = entry
          break
        end
        last_old = entry[1]
      end
      if last_old then
        redis.call('XTRIM', events, 'MINID', whole(tonumber(last_old:sub(1, -3)) + 1) .. '-0')
      end
      from = redis.call('XRANGE', events, '-', '+', 'COUNT', 64)
    until first_young or #from == 0
  end
end

for i, room in ipairs(rooms) do
  if room.newest then
    local fields = {'head', whole(room.head), 'last', whole(room.last), 'newest', whole(room.newest)}
    for name, value in pairs(room.written) do
      fields[#fields + 1] = name
      fields[#fields + 1] = value
    end
    redis.call('HSET', KEYS[2 * i], unpack(fields))
    trim(KEYS[2 * i + 1], tonumber(ARGV[5 + 2 * i]), tonumber(ARGV[6 + 2 * i]), room.newest)
  end
end
redis.call('HSET', meta, 'seq', whole(seq), 'published', whole(math.max(published, tonumber(ARGV[3]))))

-- Sends messages of a bounded size, at least one per batch, so that subscribers detect a missing batch.
local limit, part, first = tonumber(ARGV[6]), 0, 1
repeat
  local last, size = first - 1, 0
  while packed[last + 1] and (size == 0 or size + #packed[last + 1] <= limit) do
    last = last + 1
    size = size + #packed[last]
  end
  local is_last = last >= #packed
  local head = struct.pack('>I8I4I2B', seq, tonumber(known[3]), part, is_last and 1 or 0)
  redis.call('SPUBLISH', ARGV[4], head .. ARGV[5] .. table.concat(packed, '', first, last))
  first, part = last + 1, part + 1
until is_last
return {'OK', whole(seq)}

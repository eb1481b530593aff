/**
 * What must happen in one step inside Redis, as Lua scripts of one key each (so they also run where keys are sharded).
 *
 * Entries are strings `<version>:<value>`; the version is decimal, so its cost is two or three bytes.
 * Sets are sorted sets scored by the end of each member, in the time of the Redis server: replicas' clocks play no part.
 * An allowance is a hash: `s<part of time>` is `<spent>:<when last>`, `h<holder>` is `<sequence>:<held>:<end>:<end of what
 * that sequence noted>`.
 * A log is one sorted set, so that a store cannot lose a part of it: entries `<sequence>:<end>:<value>` scored by
 * their sequence from 1 up, the epoch at score 0, and below zero the counters `head` and `beat`. It has no expiry of
 * its own, because an expired log would look like a store that lost its contents.
 */
import { createHash } from 'node:crypto'
import { PARTS, TENTHS } from './sliding-window.ts'

export interface Script {
  readonly source: string
  readonly sha1: string
}

/** EVALSHA names a script by the SHA-1 of its source. */
function script(source: string): Script {
  return { source, sha1: createHash('sha1').update(source).digest('hex') }
}

const NOW = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function whole(number) return string.format('%.0f', number) end`

/** KEYS entry; ARGV expected `<version>:` or empty, the new string, its life in ms. 1 when written. */
export const PUT = script(`
local have = string.match(redis.call('GETRANGE', KEYS[1], 0, 16), '^%d+:') or ''
if have ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1`)

/** KEYS entry. The string that was there. GETDEL would do, but Redis 6.0 has none. */
export const TAKE = script(`
local held = redis.call('GET', KEYS[1])
if held then redis.call('DEL', KEYS[1]) end
return held`)

/** KEYS set; ARGV member, ms. The set lives as long as its longest member. */
export const ENROL = script(`${NOW}
redis.call('ZADD', KEYS[1], whole(now + ARGV[2]), ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', whole(now))
local last = redis.call('ZREVRANGE', KEYS[1], 0, 0, 'WITHSCORES')
redis.call('PEXPIREAT', KEYS[1], last[2])
return 1`)

/** KEYS set. How many members have not ended. */
export const COUNT = script(`${NOW}
return redis.call('ZCOUNT', KEYS[1], '(' .. whole(now), '+inf')`)

/**
 * KEYS allowance; ARGV holder, sequence, spent, held, wanted, count, perMs, holdMs, ms to keep it. Answers granted, what
 * all have spent, and ms until less than the count is spent, and until each tenth of it comes free. What each number means is in `allowance.ts`.
 */
export const DRAW = script(`${NOW}
local count, per = tonumber(ARGV[6]), tonumber(ARGV[7])
local slot = math.floor(now * ${PARTS} / per)
local own = 'h' .. ARGV[1]
local parts, spent, others, known, noted = {}, 0, 0, false, 0
local rows = redis.call('HGETALL', KEYS[1])
for at = 1, #rows, 2 do
  local name, value = rows[at], rows[at + 1]
  if string.sub(name, 1, 1) == 'h' then
    local sequence, held, ends, noting = string.match(value, '^(%d+):(%d+):(%d+):(%d+)$')
    if tonumber(ends) <= now and tonumber(noting) <= now then redis.call('HDEL', KEYS[1], name)
    elseif name == own then
      if sequence == ARGV[2] then known, noted = true, tonumber(noting) end
    elseif tonumber(ends) > now then others = others + tonumber(held) end
  else
    local amount, last = string.match(value, '^(%d+):(%d+)$')
    if tonumber(last) + per <= now then redis.call('HDEL', KEYS[1], name)
    else
      if tonumber(last) > now then
        last = whole(now)
        redis.call('HSET', KEYS[1], name, amount .. ':' .. last)
      end
      parts[#parts + 1] = { tonumber(string.sub(name, 2)), tonumber(amount), tonumber(last) }
    end
  end
end
table.sort(parts, function(one, other) return one[1] < other[1] end)
if not known and tonumber(ARGV[3]) > 0 then
  noted = now + per
  local latest = parts[#parts]
  if latest == nil or slot > latest[1] then
    latest = { slot, 0, now }
    parts[#parts + 1] = latest
  end
  latest[2] = latest[2] + ARGV[3]
  latest[3] = math.max(latest[3], now)
  redis.call('HSET', KEYS[1], 's' .. whole(latest[1]), whole(latest[2]) .. ':' .. whole(latest[3]))
end
for _, part in ipairs(parts) do spent = spent + part[2] end
local left = count - spent - others - ARGV[4]
local granted = 0
if left > 0 then granted = math.min(tonumber(ARGV[5]), math.ceil(left / 2)) end
local held, ends = ARGV[4] + granted, 0
if held > 0 then ends = now + ARGV[8] end
redis.call('HSET', KEYS[1], own, ARGV[2] .. ':' .. whole(held) .. ':' .. whole(ends) .. ':' .. whole(noted))
redis.call('PEXPIRE', KEYS[1], ARGV[9])
local free, still = 0, spent
for _, part in ipairs(parts) do
  if still < count then break end
  still = still - part[2]
  free = part[3] + per - now
end
local tenths, gone = {}, 0
for _, part in ipairs(parts) do
  gone = gone + part[2]
  while #tenths < ${TENTHS} and gone * ${TENTHS} >= spent * (#tenths + 1) do tenths[#tenths + 1] = part[3] + per - now end
end
return { granted, spent, free, tenths }`)

const LOG = `${NOW}
local function epoch(fresh)
  local held = redis.call('ZRANGEBYSCORE', KEYS[1], 0, 0)[1]
  if held then return held end
  redis.call('ZADD', KEYS[1], 0, fresh)
  return fresh
end
local function sweep()
  for _, row in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], 1, '+inf', 'LIMIT', 0, 16)) do
    if tonumber(string.match(row, '^%d+:(%d+):')) > now then return end
    redis.call('ZREM', KEYS[1], row)
  end
end`

/** KEYS log; ARGV epoch if there is none, value, ms. The sequence. */
export const APPEND = script(`${LOG}
epoch(ARGV[1])
sweep()
local sequence = string.sub(redis.call('ZINCRBY', KEYS[1], -1, 'head'), 2)
redis.call('ZADD', KEYS[1], sequence, sequence .. ':' .. whole(now + ARGV[3]) .. ':' .. ARGV[2])
return tonumber(sequence)`)

/**
 * KEYS log; ARGV epoch if there is none, the sequence to read after, page size. Counts a beat first: that is a write,
 * so a read-only or otherwise refusing copy fails here. Answers epoch, head, then sequence and value in turn.
 */
export const READ = script(`${LOG}
redis.call('ZINCRBY', KEYS[1], -1, 'beat')
local page = { epoch(ARGV[1]), -tonumber(redis.call('ZSCORE', KEYS[1], 'head') or '0') }
sweep()
local after = ARGV[2]
local size = tonumber(ARGV[3])
local rows
repeat
  rows = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. after, '+inf', 'LIMIT', 0, size)
  for _, row in ipairs(rows) do
    local sequence, ends, from = string.match(row, '^(%d+):(%d+):()')
    after = sequence
    if tonumber(ends) > now then
      page[#page + 1] = tonumber(sequence)
      page[#page + 1] = string.sub(row, from)
    end
  end
until #rows < size or #page - 2 >= size * 2
return page`)

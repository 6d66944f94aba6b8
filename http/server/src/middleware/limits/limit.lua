-- One request against the limits of one caller, for all nodes at once. Answers 0 when it may go on,
-- else the microseconds until it may; a request that may not go on costs the caller nothing.
--
-- KEYS: the bucket; then the window, if there is one.
-- ARGV: microseconds in which the bucket gains one request, the requests that it holds; then the
--       window's microseconds, and the requests that it may hold.
--
-- Times are whole microseconds of this server's clock, which a Lua number holds exactly. They are
-- written out by hand, because Lua alone would round them to 14 digits.

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local each, burst = tonumber(ARGV[1]), tonumber(ARGV[2])

-- A bucket is the moment at which it will be full; then it says nothing any more, and is forgotten.
local function keep_bucket(full)
  redis.call('SET', KEYS[1], string.format('%.0f', full), 'PX', math.ceil((full - now) / 1000))
end

local full = math.max(now, tonumber(redis.call('GET', KEYS[1]) or now))
if full > now + each * burst then
  -- Emptier than empty: the limits were others when it was written, or the clock went back.
  full = now + each * burst
  keep_bucket(full)
end
local wait = full - now - each * (burst - 1)

-- A window is the moments of the requests in it, oldest first.
local window, most = tonumber(ARGV[3]), tonumber(ARGV[4])
if window then
  local oldest = redis.call('LINDEX', KEYS[2], 0)
  while oldest and tonumber(oldest) <= now - window do
    redis.call('LPOP', KEYS[2])
    oldest = redis.call('LINDEX', KEYS[2], 0)
  end
  local over = redis.call('LLEN', KEYS[2]) - most
  if over >= 0 then
    local left = tonumber(redis.call('LINDEX', KEYS[2], over)) + window - now
    if left > window then
      -- The clock went back: these moments mean nothing any more.
      redis.call('DEL', KEYS[2])
    else
      wait = math.max(wait, left)
    end
  end
end

if wait > 0 then
  return wait
end

keep_bucket(full + each)
if window then
  redis.call('RPUSH', KEYS[2], string.format('%.0f', now))
  redis.call('PEXPIRE', KEYS[2], math.ceil(window / 1000))
end
return 0

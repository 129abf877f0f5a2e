-- wrk -s load.lua URL -- [METHOD BODY [TOKEN ...]]   or   -- METHOD @FILE
-- Sends one kind of request, and at the end prints what came back as one line of JSON.
-- "{n}" in the body becomes a number that no other request has, "{token}" one of the tokens: each is sent once, and the
-- refresh token of the reply takes its place. Of a file each line is a body that is sent once, and then the last again.

local template
local prepared
local number = 0
local tokens = {}
local bodies = {}

function init(args)
  wrk.method = args[1] or "GET"
  if args[2] then
    wrk.headers["Content-Type"] = "application/json"
  end
  if args[2] and args[2]:sub(1, 1) == "@" then
    for line in io.lines(args[2]:sub(2)) do
      table.insert(bodies, line)
    end
    wrk.body = bodies[1]
  elseif args[2] then
    wrk.body = args[2]
    if args[2]:find("{n}", 1, true) or args[2]:find("{token}", 1, true) then
      template = args[2]
    end
  end
  for place = 3, #args do
    table.insert(tokens, args[place])
    response = keep_token -- wrk calls it only if it is there
  end
  prepared = wrk.format()
end

function request()
  if #bodies > 0 then
    number = number + 1 -- from 1, which is what wrk inspects
    return wrk.format(nil, nil, nil, bodies[math.max(1, math.min(number - 1, #bodies))])
  end
  -- wrk never sends the first one, it only inspects it.
  if not template or number == 0 then
    number = 1
    return prepared
  end
  local body = template:gsub("{n}", tostring(number)):gsub("{token}", function() return table.remove(tokens, 1) end)
  number = number + 1
  return wrk.format(nil, nil, nil, body)
end

function keep_token(_, _, body)
  table.insert(tokens, body:match('"refresh_token":%s*"([^"]+)"'))
end

function done(summary, latency, _)
  local errors = summary.errors
  local format = '{"requests": %d, "microseconds": %d, "refused": %d, "broken": %d, "p50": %d, "p99": %d}\n'
  local broken = errors.connect + errors.read + errors.write + errors.timeout
  io.write(format:format(summary.requests, summary.duration, errors.status, broken,
    latency:percentile(50), latency:percentile(99)))
end

#include "redis_scripts.h"

#include "digest.h"

namespace ai_chat {

namespace {

// What all have in common.
const char kCommon[] = R"lua(
local P = KEYS[1]
local call = redis.call

local function clock()
  local time = call('TIME')
  local now = time[1] * 1000000 + time[2]
  local last = tonumber(call('GET', P .. 'clock') or '0')
  if now <= last then now = last + 1 end
  local stamp = string.format('%.0f', now)
  call('SET', P .. 'clock', stamp)
  return stamp
end

local function lives(node)
  return call('EXISTS', P .. 'n:' .. node) == 1
end

local function nodeOf(owner)
  return string.match(owner, '^(.*)/[^/]*$') or ''
end

local function tell(room, kind, text)
  call('PUBLISH', P .. 'r:' .. room, clock() .. ' ' .. kind .. ' ' .. text)
end

local function parts(holding)
  return string.match(holding, '^(%a)\n([^\n]*)\n?([^\n]*)$')
end

local function hold(node, holding)
  if call('SADD', P .. 'h:' .. node, holding) == 0 then return end
  local kind, name, user = parts(holding)
  if kind == 'u' then
    call('SADD', P .. 'o:' .. name, node)
  else
    call('SADD', P .. 'rn:' .. name .. '\n' .. user, node)
    if call('SADD', P .. 'rm:' .. name, user) == 1 then tell(name, '+', user) end
  end
end

local function drop(node, holding)
  if call('SREM', P .. 'h:' .. node, holding) == 0 then return end
  local kind, name, user = parts(holding)
  if kind == 'u' then
    call('SREM', P .. 'o:' .. name, node)
  else
    call('SREM', P .. 'rn:' .. name .. '\n' .. user, node)
    if call('EXISTS', P .. 'rn:' .. name .. '\n' .. user) == 0 and call('SREM', P .. 'rm:' .. name, user) == 1 then
      tell(name, '-', user)
    end
  end
end

local function bury(node)
  for _, holding in ipairs(call('SMEMBERS', P .. 'h:' .. node)) do drop(node, holding) end
  call('SREM', P .. 'nodes', node)
end

local function keep(answer, milliseconds)
  call('PEXPIRE', P .. 'a:' .. answer, milliseconds)
  call('PEXPIRE', P .. 's:' .. answer, milliseconds)
end

local function write(answer, seq, json, done)
  if done then
    call('XADD', P .. 's:' .. answer, seq .. '-0', 'm', json, 'd', '1')
    call('PUBLISH', P .. 'a:' .. answer, seq .. '! ' .. json)
  else
    call('XADD', P .. 's:' .. answer, seq .. '-0', 'm', json)
    call('PUBLISH', P .. 'a:' .. answer, seq .. ' ' .. json)
  end
end
)lua";

}  // namespace

RedisScript::RedisScript(const char* body) : text_(std::string(kCommon) + body), sha1_(sha1Hex(text_)) {}

// ---- nodes ----

const RedisScript RedisScripts::heartbeat(R"lua(
local node = ARGV[1]
local known = call('SISMEMBER', P .. 'nodes', node)
call('SET', P .. 'n:' .. node, '1', 'PX', ARGV[2])
call('SADD', P .. 'nodes', node)
if ARGV[3] == '1' then
  for _, other in ipairs(call('SMEMBERS', P .. 'nodes')) do
    if not lives(other) then bury(other) end
  end
end
call('PUBLISH', P .. 'n:' .. node, 'beat')
return known
)lua");

const RedisScript RedisScripts::holdAll(R"lua(
local node = ARGV[1]
local wanted = {}
for i = 2, #ARGV do wanted[ARGV[i]] = true end
for _, holding in ipairs(call('SMEMBERS', P .. 'h:' .. node)) do
  if not wanted[holding] then drop(node, holding) end
end
for i = 2, #ARGV do hold(node, ARGV[i]) end
return 1
)lua");

const RedisScript RedisScripts::hold("hold(ARGV[1], ARGV[2]) return 1");
const RedisScript RedisScripts::drop("drop(ARGV[1], ARGV[2]) return 1");
const RedisScript RedisScripts::leaveAll("bury(ARGV[1]) call('DEL', P .. 'n:' .. ARGV[1]) return 1");

// ---- conversations ----

const RedisScript RedisScripts::addExchange(R"lua(
-- This node was taken for dead: all who read it were told that it is lost, and to ask again.
if ARGV[8] ~= '' and call('HGET', P .. 'a:' .. ARGV[8], 'owner') == '' then return 0 end
local key = P .. 'c:' .. ARGV[1]
local list = call('LRANGE', key, 0, -1)
local kept = {}
for i, json in ipairs(list) do kept[i] = cjson.decode(json) end
-- Written before, and the reply was lost.
for _, exchange in ipairs(kept) do
  if exchange.requestId == ARGV[3] then return 0 end
end
if ARGV[4] ~= '' and #kept > 0 and kept[#kept].requestId == ARGV[4] then
  call('RPOP', key)
  table.remove(kept)
end
call('RPUSH', key, ARGV[2])
table.insert(kept, cjson.decode(ARGV[2]))
local room, first = tonumber(ARGV[6]), #kept + 1
while first > 1 and #kept - first + 1 < tonumber(ARGV[5]) do
  local exchange = kept[first - 1]
  room = room - #exchange.question - #exchange.answer
  if room < 0 then break end
  first = first - 1
end
call('LTRIM', key, first - 1, -1)
call('EXPIRE', key, ARGV[7])
return 1
)lua");

// ---- answers ----

const RedisScript RedisScripts::claim(R"lua(
local answer, owner = ARGV[1], ARGV[2]
local key = P .. 'a:' .. answer
local known = call('HGET', key, 'owner')
if known and known ~= owner then return {0} end
if not known then
  call('HSET', key, 'owner', owner, 'maker', owner, 'last', 0)
  call('DEL', P .. 's:' .. answer)
  call('PUBLISH', key, '= ' .. owner)
end
keep(answer, ARGV[3])
-- If Redis has lost everything, the heartbeat is not there yet, and others must not take the owner for dead.
call('SET', P .. 'n:' .. nodeOf(owner), '1', 'PX', ARGV[4], 'NX')
return {1, tonumber(call('HGET', key, 'last'))}
)lua");

const RedisScript RedisScripts::append(R"lua(
local answer, owner = ARGV[1], ARGV[2]
local key = P .. 'a:' .. answer
local known = call('HMGET', key, 'owner', 'last', 'done')
if not known[1] then return {'unknown'} end
if known[1] ~= owner then return {'lost'} end
local last = tonumber(known[2])
local first = tonumber(ARGV[5])
if known[3] or first > last + 1 then return {'ok', last} end
for i = 6, #ARGV do
  local seq = first + i - 6
  if seq > last then
    local done = ARGV[4] == '1' and i == #ARGV
    write(answer, seq, ARGV[i], done)
    last = seq
    if done then call('HSET', key, 'done', 1) end
  end
end
call('HSET', key, 'last', last)
keep(answer, ARGV[3])
return {'ok', last}
)lua");

const RedisScript RedisScripts::read(R"lua(
local answer = ARGV[1]
local known = call('HMGET', P .. 'a:' .. answer, 'owner', 'last', 'done', 'maker')
if not known[1] then return {} end
local alive = (known[3] or known[1] == '' or lives(nodeOf(known[1]))) and 1 or 0
local entries = call('XRANGE', P .. 's:' .. answer, '(' .. ARGV[2] .. '-0', '+', 'COUNT', ARGV[3])
return {alive, tonumber(known[2]), known[3] and 1 or 0, known[1], entries, known[4] or ''}
)lua");

const RedisScript RedisScripts::lose(R"lua(
local answer, owner = ARGV[1], ARGV[2]
local key = P .. 'a:' .. answer
local known = call('HMGET', key, 'owner', 'last', 'done')
if known[1] ~= owner or known[3] then return 0 end
if ARGV[4] ~= '1' and lives(nodeOf(owner)) then return 0 end
local last = tonumber(known[2])
write(answer, last + 1, ARGV[5] .. (last + 1) .. ARGV[6], false)
write(answer, last + 2, ARGV[7] .. (last + 2) .. ARGV[8], true)
call('HSET', key, 'owner', '', 'last', last + 2, 'done', 1)
keep(answer, ARGV[3])
return 1
)lua");

const RedisScript RedisScripts::stop(R"lua(
local owner = call('HGET', P .. 'a:' .. ARGV[1], 'owner')
if owner and owner ~= '' then call('PUBLISH', P .. 'n:' .. nodeOf(owner), 'stop ' .. ARGV[1]) end
return 1
)lua");

// ---- people ----

const RedisScript RedisScripts::login(R"lua(
if call('HSETNX', P .. 'users', ARGV[1], ARGV[2]) == 1 or ARGV[3] == '1' then return 1 end
return call('HGET', P .. 'users', ARGV[1]) == ARGV[2] and 1 or 0
)lua");

namespace {

// Of both kinds of posts: a second time nothing happens.
const char kSend[] = R"lua(
local json, from, to, id = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local sent = P .. 'd:' .. from .. '\n' .. id
local function delivered()
  for _, node in ipairs(call('SMEMBERS', P .. 'o:' .. to)) do
    if lives(node) then return 1 end
  end
  return 0
end
if id ~= '' then
  local messageId = call('GET', sent)
  if messageId then return {'ok', messageId, delivered()} end
end
)lua";

}  // namespace

const RedisScript RedisScripts::sendDirect((std::string(kSend) + R"lua(
if call('HEXISTS', P .. 'users', to) == 0 then return {'unknown'} end
local inbox = P .. 'i:' .. to
if call('XLEN', inbox) >= tonumber(ARGV[6]) then return {'full'} end
local stamp = clock()
call('XADD', inbox, stamp .. '-0', 'p', json)
if id ~= '' then call('SET', sent, stamp, 'PX', ARGV[5]) end
call('PUBLISH', P .. 'u:' .. to, stamp .. ' ' .. json)
if from ~= to and from ~= '' then call('PUBLISH', P .. 'u:' .. from, stamp .. ' ' .. json) end
return {'ok', stamp, delivered()}
)lua").c_str());

const RedisScript RedisScripts::sendRoom((std::string(kSend) + R"lua(
local room = P .. 'r:' .. to
local stamp = clock()
call('XADD', room, 'MAXLEN', '~', ARGV[6], stamp .. '-0', 'p', json)
if id ~= '' then call('SET', sent, stamp, 'PX', ARGV[5]) end
call('PEXPIRE', room, ARGV[7])
call('PUBLISH', room, stamp .. ' m ' .. json)
return {'ok', stamp, 0}
)lua").c_str());

const RedisScript RedisScripts::received(R"lua(
local inbox = P .. 'i:' .. ARGV[1]
for i = 2, #ARGV do call('XDEL', inbox, ARGV[i] .. '-0') end
if call('XLEN', inbox) == 0 then call('DEL', inbox) end
return 1
)lua");

// ---- rooms ----

const RedisScript RedisScripts::look(R"lua(
local room, count, mark, node, user = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
if user ~= '' then hold(node, 'r\n' .. room .. '\n' .. user) end
local answers = {}
for _, answer in ipairs(call('ZRANGE', P .. 'ra:' .. room, 0, -1)) do
  local known = call('HMGET', P .. 'a:' .. answer, 'last', 'done', 'owner')
  if known[1] and not known[2] then
    table.insert(answers, {answer, tonumber(known[1]), nodeOf(known[3])})
  else
    call('ZREM', P .. 'ra:' .. room, answer)
  end
end
if mark ~= '' then tell(room, '=', node .. '\n' .. mark) end
return {call('SMEMBERS', P .. 'rm:' .. room), call('XREVRANGE', P .. 'r:' .. room, '+', '-', 'COUNT', count), answers}
)lua");

const RedisScript RedisScripts::announce(R"lua(
call('ZADD', P .. 'ra:' .. ARGV[1], 'NX', clock(), ARGV[2])
tell(ARGV[1], 'a', ARGV[4] .. '\n' .. ARGV[3])
return 1
)lua");

}  // namespace ai_chat

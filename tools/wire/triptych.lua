--[[
Wireshark dissector for what the panels speak: ZMTP 3 (ZeroMQ), SP (nanomsg, NNG), raw's framing, and in all of them
Triptych's message. The fields have the names that the decoder gives them (decode.h).

ZMTP and SP are recognised by their greeting, whatever the port; raw by a first frame that parses. A capture that begins
later: Decode As. After "rfc.zeromq.org/spec/23" and "/37", "sp-tcp-mapping-01", "sp-ipc-mapping-01",
"sp-request-reply-01", common/message.h and raw/frame.h.

A greeting and a frame tell themselves apart by their first bytes, and a multipart message is read in one piece; so
nothing but the role of each side is remembered from packet to packet, and packets may be looked at in any order.
]]

set_plugin_info({ version = "1.0", description = "ZMTP, SP and raw's framing, with Triptych's message inside" })

-- Wireshark 4.4 has a dissector of its own named zmtp, which knows neither SUBSCRIBE nor request ids and has to be chosen
-- by port. Ours stand beside it under names that nobody takes, find their streams first (see the end), and share with
-- it the names of fields that both have: zmtp.length is found by whichever of the two has read the bytes.
local zmtp = Proto("triptych_zmtp", "Triptych: ZeroMQ Message Transport Protocol")
local sp = Proto("triptych_sp", "Triptych: Scalability Protocols (nanomsg, NNG)")
local raw = Proto("triptych_raw", "Triptych: raw framing")
local message = Proto("triptych", "Triptych message")

local kinds = { "request", "reply", "event", "error" }
local switch = { [0] = "unsubscribe", "subscribe" }
local protocols = {
    [0x10] = "PAIR", [0x11] = "PAIR version 1", [0x20] = "PUB", [0x21] = "SUB", [0x30] = "REQ", [0x31] = "REP",
    [0x50] = "PUSH", [0x51] = "PULL", [0x62] = "SURVEYOR", [0x63] = "RESPONDENT", [0x70] = "BUS",
}

local F = {} -- the fields, by their full name

local HEX, DEC = base.HEX, base.DEC

local function register(proto, list)
    local all = {}
    for _, field in ipairs(list) do
        local kind, name, title, display, values = table.unpack(field)
        F[name] = ProtoField[kind](name, title, display, values)
        all[#all + 1] = F[name]
    end
    proto.fields = all
end

register(zmtp, {
    { "bytes", "zmtp.signature", "Signature" },
    { "uint8", "zmtp.major", "Version, major" },
    { "uint8", "zmtp.minor", "Version, minor" },
    { "string", "zmtp.mechanism", "Security mechanism" },
    { "uint8", "zmtp.as_server", "As server" },
    { "bytes", "zmtp.filler", "Filler" },
    { "uint8", "zmtp.flags", "Flags", HEX },
    { "uint64", "zmtp.length", "Length" },
    { "string", "zmtp.command", "Command" },
    { "string", "zmtp.property.name", "Property" },
    { "string", "zmtp.property.value", "Value" },
    { "string", "zmtp.error.reason", "Reason" },
    { "string", "zmtp.hello.username", "User" },
    { "string", "zmtp.hello.password", "Password" },
    { "uint8", "zmtp.subscription", "Subscription as a message", DEC, switch },
    { "bytes", "zmtp.prefix", "Prefix", base.SPACE },
    { "uint16", "zmtp.ttl", "Time to live, tenths of a second" },
    { "bytes", "zmtp.context", "Context" },
    { "bytes", "zmtp.data", "Data" },
    { "uint32", "zmtp.request_id", "Request id", HEX },
    { "bytes", "zmtp.envelope", "Envelope" },
})
register(sp, {
    { "bytes", "sp.signature", "Signature" },
    { "uint8", "sp.version", "Version" },
    { "uint16", "sp.protocol", "Protocol", HEX, protocols },
    { "uint16", "sp.reserved", "Reserved" },
    { "uint8", "sp.type", "IPC message type" },
    { "uint64", "sp.length", "Length" },
    { "uint32", "sp.request_id", "Request id", HEX },
    { "uint32", "sp.channel_id", "Channel id", HEX },
})
register(raw, {
    { "uint32", "raw.length", "Length" },
    { "uint32", "raw.request_id", "Request id" },
    { "uint8", "raw.subscribe", "Subscription", DEC, switch },
    { "bytes", "raw.prefix", "Prefix", base.SPACE },
})
register(message, {
    { "string", "message.topic", "Topic" },
    { "uint8", "message.end_of_topic", "End of topic" },
    { "uint8", "message.version", "Version" },
    { "uint8", "message.kind", "Kind", DEC, kinds },
    { "uint16", "message.zero", "Zero" },
    { "uint32", "message.body_length", "Body length" },
    { "uint64", "message.sequence", "Sequence" },
    { "uint64", "message.sent", "Sent, nanoseconds of the machine's clock" },
    { "bytes", "message.body", "Body" },
    { "bytes", "message.foreign", "Not Triptych's message" },
    { "bytes", "unknown.bytes", "Not understood" },
})

-- What is remembered: of each side of a connection its role.

local sides = {}
local tcp_stream = Field.new("tcp.stream")
local tcp_seq = Field.new("tcp.seq")
local tcp_len = Field.new("tcp.len")

function message.init()
    sides = {}
end

local function side_of(pinfo)
    local stream = tcp_stream()
    local key = (stream and tostring(stream.value) or "") .. " " .. tostring(pinfo.src) .. " " .. pinfo.src_port
    sides[key] = sides[key] or {}
    return sides[key]
end

-- An element of len bytes at the cursor's place; value: what to show, if not those bytes.
local function put(c, name, len, value)
    local range = c.tvb(c.at, len)
    c.at = c.at + len
    if value ~= nil then
        return c.tree:add(F[name], range, value)
    end
    return c.tree:add(F[name], range)
end

local function text(c, at, len)
    return len > 0 and c.tvb(at, len):raw() or ""
end

local function say(c, words)
    c.said[#c.said + 1] = words
end

-- Our message: is there one, of exactly len bytes? Returns the topic's length.
local function message_at(tvb, at, len)
    local most = math.min(len - 25, 255)
    for topic = 0, most do
        if tvb(at + topic, 1):uint() == 0 then
            local p = at + topic
            local kind = tvb(p + 2, 1):uint()
            if tvb(p + 1, 1):uint() == 1 and kind >= 1 and kind <= 4 and tvb(p + 3, 2):uint() == 0
                and tvb(p + 5, 4):uint() == len - topic - 25 then
                return topic
            end
            return nil
        end
    end
    return nil
end

local function payload(c, len)
    if len == 0 then
        say(c, "an empty message")
        return
    end
    local topic = message_at(c.tvb, c.at, len)
    if not topic then
        put(c, "message.foreign", len)
        say(c, len .. " bytes")
        return
    end
    local outer = c.tree
    c.tree = c.root:add(message, c.tvb(c.at, len))
    local name = text(c, c.at, topic)
    if topic > 0 then
        put(c, "message.topic", topic)
    end
    put(c, "message.end_of_topic", 1)
    put(c, "message.version", 1)
    local kind = kinds[c.tvb(c.at, 1):uint()]
    put(c, "message.kind", 1)
    put(c, "message.zero", 2)
    put(c, "message.body_length", 4)
    local sequence = tostring(c.tvb(c.at, 8):uint64())
    put(c, "message.sequence", 8)
    put(c, "message.sent", 8)
    local body = len - topic - 25
    if body > 0 then
        put(c, "message.body", body)
    end
    local words = string.format("%s %s%s, %d bytes", kind, topic > 0 and name .. " " or "", sequence, body)
    c.tree:append_text(": " .. words)
    say(c, words)
    c.tree = outer
end

-- An unsigned 64-bit length as a number; what nothing can have is math.huge.
local function length64(tvb, at)
    if tvb(at, 4):uint() >= 0x100000 then
        return math.huge
    end
    return math.floor(tvb(at, 8):uint64():tonumber()) -- desegment_len takes no 42.0 from Wireshark 4.4 on
end

-- Is a flag of the value bit set? (Wireshark 4.0 has Lua 5.2, without operators for bits.)
local function has(flags, bit)
    return flags % (2 * bit) >= bit
end

local function starts(tvb, at, bytes)
    for i = 1, math.min(#bytes, tvb:len() - at) do
        if tvb(at + i - 1, 1):uint() ~= bytes[i] then
            return false
        end
    end
    return true
end

--[[
Each protocol has a measure and a reader. measure(tvb, at): the bytes of the greeting or message at this place;
nil: more must be there to tell; false: nothing that it can be. read(c, len): adds them to the tree.
]]

-- ZMTP

local function zmtp_measure(tvb, at)
    local left = tvb:len() - at
    if tvb(at, 1):uint() == 0xff then
        if left >= 10 and tvb(at + 9, 1):uint() ~= 0x7f then
            return false
        end
        return 64
    end
    local start = at
    while true do -- all frames of a message
        if at >= tvb:len() then
            return nil
        end
        local flags = tvb(at, 1):uint()
        if flags > 7 or (has(flags, 4) and has(flags, 1)) then
            return false
        end
        local size = has(flags, 2) and 8 or 1
        if tvb:len() - at < 1 + size then
            return nil
        end
        local len = size == 8 and length64(tvb, at + 1) or tvb(at + 1, 1):uint()
        if len == math.huge then
            return false
        end
        at = at + 1 + size + len
        local first = at - start == 1 + size + len
        if not has(flags, 1) and (first or not has(flags, 4)) then
            return at - start
        end
    end
end

local function zmtp_greeting(c)
    put(c, "zmtp.signature", 10)
    put(c, "zmtp.major", 1)
    local minor = c.tvb(c.at, 1):uint()
    put(c, "zmtp.minor", 1)
    c.side.mechanism = c.tvb(c.at, 20):stringz()
    put(c, "zmtp.mechanism", 20, c.side.mechanism)
    put(c, "zmtp.as_server", 1)
    put(c, "zmtp.filler", 31)
    say(c, "greeting 3." .. minor .. " " .. c.side.mechanism)
end

local function zmtp_rest(c, last)
    if c.at < last then
        put(c, "zmtp.data", last - c.at)
    end
end

local function zmtp_properties(c, last)
    while c.at < last do
        local name_len = c.tvb(c.at, 1):uint()
        if name_len == 0 or c.at + 1 + name_len + 4 > last then
            break
        end
        local name = text(c, c.at + 1, name_len)
        put(c, "zmtp.property.name", 1 + name_len, name)
        local len = c.tvb(c.at, 4):uint()
        if c.at + 4 + len > last then
            break
        end
        local value = text(c, c.at + 4, len)
        put(c, "zmtp.property.value", 4 + len, value)
        if name:lower() == "socket-type" then
            c.side.socket = value
            say(c, value)
        end
    end
    zmtp_rest(c, last)
end

-- Strings that begin with their length, one after the other.
local function zmtp_strings(c, last, names)
    for _, name in ipairs(names) do
        if c.at >= last or c.at + 1 + c.tvb(c.at, 1):uint() > last then
            break
        end
        local len = c.tvb(c.at, 1):uint()
        put(c, name, 1 + len, text(c, c.at + 1, len))
    end
    zmtp_rest(c, last)
end

local function zmtp_command(c, last)
    if c.at == last then
        return
    end
    local len = c.tvb(c.at, 1):uint()
    if len == 0 or c.at + 1 + len > last then
        zmtp_rest(c, last)
        say(c, "a command that is none")
        return
    end
    local name = text(c, c.at + 1, len)
    local plain = c.side.mechanism == "PLAIN"
    put(c, "zmtp.command", 1 + len, name)
    say(c, name)
    if c.side.mechanism == "CURVE" or c.at == last then
        zmtp_rest(c, last)
    elseif name == "READY" or (name == "INITIATE" and plain) then
        zmtp_properties(c, last)
    elseif name == "ERROR" then
        zmtp_strings(c, last, { "zmtp.error.reason" })
    elseif name == "HELLO" and plain then
        zmtp_strings(c, last, { "zmtp.hello.username", "zmtp.hello.password" })
    elseif name == "SUBSCRIBE" or name == "CANCEL" then
        say(c, text(c, c.at, last - c.at))
        put(c, "zmtp.prefix", last - c.at)
    elseif name == "PING" and last - c.at >= 2 then
        put(c, "zmtp.ttl", 2)
        if c.at < last then
            put(c, "zmtp.context", last - c.at)
        end
    elseif name == "PONG" then
        put(c, "zmtp.context", last - c.at)
    else
        zmtp_rest(c, last)
    end
end

local function zmtp_subscription(c, last)
    local what = c.at < last and switch[c.tvb(c.at, 1):uint()]
    if not what then
        zmtp_rest(c, last)
        return
    end
    put(c, "zmtp.subscription", 1)
    say(c, what)
    if c.at < last then
        say(c, text(c, c.at, last - c.at))
        put(c, "zmtp.prefix", last - c.at)
    end
end

local reqrep = { REQ = true, REP = true, DEALER = true, ROUTER = true }

local function zmtp_read(c, len)
    local stop = c.at + len
    if c.tvb(c.at, 1):uint() == 0xff then
        zmtp_greeting(c)
        return
    end
    local envelope = reqrep[c.side.socket]
    while c.at < stop do
        local flags = c.tvb(c.at, 1):uint()
        local size = has(flags, 2) and 8 or 1
        local body = size == 8 and length64(c.tvb, c.at + 1) or c.tvb(c.at + 1, 1):uint()
        local more = has(flags, 1)
        put(c, "zmtp.flags", 1)
        if size == 8 then
            put(c, "zmtp.length", 8)
        else
            put(c, "zmtp.length", 1, UInt64(body))
        end
        local last = c.at + body
        if has(flags, 4) then
            zmtp_command(c, last)
        elseif c.side.socket == "SUB" or c.side.socket == "XSUB" then
            zmtp_subscription(c, last)
        elseif c.side.mechanism == "CURVE" then
            zmtp_rest(c, last)
            say(c, "boxed")
        elseif envelope and more and body == 0 then
            envelope = false
        elseif envelope and more then
            put(c, body == 4 and "zmtp.request_id" or "zmtp.envelope", body)
        else
            payload(c, body)
        end
    end
end

-- SP

local sp_start = { 0x00, 0x53, 0x50, 0x00 }

local function sp_measure(tvb, at)
    local left = tvb:len() - at
    if starts(tvb, at, sp_start) then
        if left < 8 then
            return nil -- a length could begin with the same 00
        end
        return tvb(at + 6, 2):uint() == 0 and 8 or false
    end
    local typed = tvb(at, 1):uint() == 1 and 1 or 0
    if left < typed + 8 then
        return nil
    end
    local len = length64(tvb, at + typed)
    return len ~= math.huge and typed + 8 + len or false
end

local function sp_read(c, len)
    local stop = c.at + len
    if starts(c.tvb, c.at, sp_start) then
        put(c, "sp.signature", 3)
        put(c, "sp.version", 1)
        c.side.protocol = c.tvb(c.at, 2):uint()
        put(c, "sp.protocol", 2)
        put(c, "sp.reserved", 2)
        say(c, "greeting " .. (protocols[c.side.protocol] or c.side.protocol))
        return
    end
    if c.tvb(c.at, 1):uint() == 1 then
        put(c, "sp.type", 1)
    end
    put(c, "sp.length", 8)
    local family = math.floor((c.side.protocol or 0) / 16)
    while (family == 3 or family == 6) and stop - c.at >= 4 do
        local last = c.tvb(c.at, 1):uint() >= 0x80
        put(c, last and "sp.request_id" or "sp.channel_id", 4)
        if last then
            break
        end
    end
    payload(c, stop - c.at)
end

-- raw

-- A message of len bytes, its topic of at most most: does its head say so? nil: not all there.
local function raw_says(tvb, at, len, most)
    for topic = 0, math.min(len - 25, most) do
        local p = at + topic
        if p >= tvb:len() then
            return nil
        end
        if tvb(p, 1):uint() == 0 then
            if p + 9 > tvb:len() then
                return nil
            end
            return tvb(p + 1, 1):uint() == 1 and tvb(p + 3, 2):uint() == 0
                and tvb(p + 5, 4):uint() == len - topic - 25
        end
    end
    return false
end

-- Which of raw's frames stands there? "reqrep", "publisher", "subscriber"; nil: more is needed; false: none.
local function raw_role(tvb, at)
    local left = tvb:len() - at
    if left < 4 then
        return nil
    end
    local len = tvb(at, 4):uint()
    if len == 0 or len >= 0x40000000 or starts(tvb, at, sp_start) then
        return false
    end
    local reqrep = len >= 29 and raw_says(tvb, at + 8, len - 4, 0)
    if reqrep or reqrep == nil then
        return reqrep and "reqrep"
    end
    local publisher = len >= 25 and raw_says(tvb, at + 4, len, 255)
    if publisher or publisher == nil then
        return publisher and "publisher"
    end
    if left < 5 then
        return nil
    end
    return len <= 65536 and tvb(at + 4, 1):uint() == 1 and "subscriber"
end

local function raw_measure(tvb, at)
    if tvb:len() - at < 4 then
        return nil
    end
    return 4 + tvb(at, 4):uint()
end

local function raw_read(c, len)
    local stop = c.at + len
    if not c.side.role and len > 4 then
        c.side.role = raw_role(c.tvb, c.at)
    end
    put(c, "raw.length", 4)
    if c.side.role == "reqrep" and len >= 8 then
        put(c, "raw.request_id", 4)
    elseif c.side.role == "subscriber" and len >= 5 and c.tvb(c.at, 1):uint() <= 1 then
        local what = switch[c.tvb(c.at, 1):uint()]
        put(c, "raw.subscribe", 1)
        if c.at < stop then
            say(c, what .. " " .. text(c, c.at, stop - c.at))
            put(c, "raw.prefix", stop - c.at)
        else
            say(c, what .. " all")
        end
        return
    end
    payload(c, stop - c.at)
end

-- What all three share: from the stream to greetings and messages, with more asked for where one is incomplete.

local DESEGMENT_MOST = 0x40000000 -- what claims more is not waited for

local function dissect(speak, tvb, pinfo, tree)
    local side = side_of(pinfo)
    local at = 0
    pinfo.cols.protocol = speak.title
    while at < tvb:len() do
        local len = speak.measure(tvb, at)
        if len == false or (len and len > DESEGMENT_MOST) then
            tree:add(speak.proto, tvb(at)):add(F["unknown.bytes"], tvb(at))
            pinfo.cols.info = "[not understood]"
            break
        end
        if not len or at + len > tvb:len() then
            if pinfo.can_desegment > 0 then
                pinfo.desegment_offset = at
                pinfo.desegment_len = len and at + len - tvb:len() or DESEGMENT_ONE_MORE_SEGMENT
            end
            break
        end
        local cursor = { tvb = tvb, at = at, root = tree, side = side, said = {} }
        cursor.tree = tree:add(speak.proto, tvb(at, len))
        local outer = cursor.tree
        speak.read(cursor, len)
        local words = table.concat(cursor.said, " ")
        outer:append_text(": " .. words)
        if at == 0 then
            pinfo.cols.info = "[" .. words .. "]"
        else
            pinfo.cols.info:append(" [" .. words .. "]")
        end
        at = at + len
    end
    return tvb:len()
end

local speak_zmtp = { proto = zmtp, title = "ZMTP", measure = zmtp_measure, read = zmtp_read }
local speak_sp = { proto = sp, title = "SP", measure = sp_measure, read = sp_read }
local speak_raw = { proto = raw, title = "RAW", measure = raw_measure, read = raw_read }

function zmtp.dissector(tvb, pinfo, tree)
    return dissect(speak_zmtp, tvb, pinfo, tree)
end

function sp.dissector(tvb, pinfo, tree)
    return dissect(speak_sp, tvb, pinfo, tree)
end

function raw.dissector(tvb, pinfo, tree)
    return dissect(speak_raw, tvb, pinfo, tree)
end

-- Recognising them. Sure: the conversation is that protocol's from here on. Not yet: wait for more, at a stream's start.

local function ours(speak, tvb, pinfo, tree)
    pinfo.conversation = speak.proto
    dissect(speak, tvb, pinfo, tree) -- not by proto.dissector: one call deeper, nothing may be desegmented
    return true
end

-- Do these bytes begin where the stream does?
local function at_start(tvb)
    local seq, len = tcp_seq(), tcp_len()
    return seq and len and seq.value + len.value - 1 == tvb:len()
end

local function wait(tvb, pinfo)
    if pinfo.can_desegment == 0 or not at_start(tvb) then
        return false
    end
    pinfo.desegment_offset = 0
    pinfo.desegment_len = DESEGMENT_ONE_MORE_SEGMENT
    return true
end

zmtp:register_heuristic("tcp", function(tvb, pinfo, tree)
    if tvb:len() < 1 or tvb(0, 1):uint() ~= 0xff then
        return false
    end
    if tvb:len() < 10 then
        return wait(tvb, pinfo)
    end
    return tvb(9, 1):uint() == 0x7f and ours(speak_zmtp, tvb, pinfo, tree)
end)

sp:register_heuristic("tcp", function(tvb, pinfo, tree)
    if tvb:len() < 1 or not starts(tvb, 0, sp_start) then
        return false
    end
    if tvb:len() < 8 then
        return wait(tvb, pinfo)
    end
    return tvb(6, 2):uint() == 0 and ours(speak_sp, tvb, pinfo, tree)
end)

raw:register_heuristic("tcp", function(tvb, pinfo, tree)
    if tvb:len() < 1 or tvb(0, 1):uint() >= 0x40 or not at_start(tvb) then
        return false
    end
    local role = raw_role(tvb, 0)
    if role == nil then
        return wait(tvb, pinfo)
    end
    if role == "subscriber" then -- few bytes tell: they must add up
        local at = 0
        while at + 5 <= tvb:len() and tvb(at + 4, 1):uint() <= 1 and tvb(at, 4):uint() > 0 do
            at = at + 4 + tvb(at, 4):uint()
        end
        if at + 5 > tvb:len() and at ~= tvb:len() then
            return wait(tvb, pinfo)
        end
        role = at == tvb:len()
    end
    return role and ours(speak_raw, tvb, pinfo, tree)
end)

-- Some ports are another protocol's in Wireshark (5555 is SigComp's): the bytes are to be asked before the port. This is
-- the preference "Try heuristic sub-dissectors first" of TCP, for as long as this Wireshark runs.
if set_preference then
    set_preference("tcp.try_heuristic_first", true)
end

local ports = DissectorTable.get("tcp.port")
ports:add_for_decode_as(zmtp)
ports:add_for_decode_as(sp)
ports:add_for_decode_as(raw)

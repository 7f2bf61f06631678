--[[
Wireshark dissector for what the panels speak: ZMTP 2.0 and 3 (ZeroMQ), SP (nanomsg, NNG), raw's framing, and in all of
them Triptych's message. The fields have the names that the decoder gives them (decode.h), and the same bytes.

ZMTP and SP are recognised by their greeting. raw has none: a conversation is raw's from its first Triptych message on, as
long as all that both sides send fits. A capture that begins later: Decode As. After "rfc.zeromq.org/spec/15", "/23" to
"/28", "/37", "sp-tcp-mapping-01", "sp-ipc-mapping-01", "sp-request-reply-01", common/message.h and raw/frame.h.

A multipart message is read in one piece. What a side has said of itself, and in which packet its bytes stopped to make
sense, is remembered; so packets may be looked at in any order.
]]

set_plugin_info({ version = "1.1", description = "ZMTP, SP and raw's framing, with Triptych's message inside" })

-- Wireshark 4.4 has a dissector of its own named zmtp, which knows neither SUBSCRIBE nor request ids and has to be chosen
-- by port. Ours stand beside it under names that nobody takes, find their streams first (see the end), and share with
-- it the names of fields that both have: zmtp.length is found by whichever of the two has read the bytes.
local zmtp = Proto("triptych_zmtp", "Triptych: ZeroMQ Message Transport Protocol")
local sp = Proto("triptych_sp", "Triptych: Scalability Protocols (nanomsg, NNG)")
local raw = Proto("triptych_raw", "Triptych: raw framing")
local message = Proto("triptych", "Triptych message")

local switch = { [0] = "unsubscribe", "subscribe" }

local HEX, DEC = base.HEX, base.DEC

-- The tables that the decoder has as well.

-- tables.py writes from here
local kinds = { "request", "reply", "event", "error" }
local protocols = { -- of SP
    [0x10] = "PAIR", [0x11] = "PAIR version 1", [0x20] = "PUB", [0x21] = "SUB", [0x30] = "REQ",
    [0x31] = "REP", [0x50] = "PUSH", [0x51] = "PULL", [0x62] = "SURVEYOR", [0x63] = "RESPONDENT",
    [0x70] = "BUS",
}
local headers = { -- what a protocol puts before the payload
    [0x11] = "hops", [0x30] = "ids", [0x31] = "ids", [0x62] = "ids", [0x63] = "ids",
}
local sockets = { -- as ZMTP 2.0 numbers them
    [0] = "PAIR", "PUB", "SUB", "REQ", "REP", "DEALER", "ROUTER", "PULL", "PUSH", "XPUB", "XSUB", "CLIENT",
    "SERVER", "RADIO", "DISH", "SCATTER", "GATHER", "PEER", "CHANNEL",
}
local commands = { -- the form of their data
    READY = "properties", ERROR = "reason", HELLO = "login", WELCOME = "none", INITIATE = "properties",
    SUBSCRIBE = "prefix", CANCEL = "prefix", JOIN = "group", LEAVE = "group", PING = "time", PONG = "context",
}
local curve = { -- CURVE's: the fewest and the most bytes after the name; the fields, the last without a length
    HELLO = { 194, 194, { "version", 2 }, { "padding", 72 }, { "key", 32 }, { "nonce", 8 }, { "box", 80 } },
    WELCOME = { 160, 160, { "nonce", 16 }, { "box", 144 } },
    INITIATE = { 248, math.huge, { "cookie", 96 }, { "nonce", 8 }, { "box" } },
    READY = { 24, math.huge, { "nonce", 8 }, { "box" } },
    MESSAGE = { 25, math.huge, { "nonce", 8 }, { "mac", 16 }, { "flags", 1 }, { "data" } },
}
-- to here

local sockets_by_name = {}
for _, name in pairs(sockets) do
    sockets_by_name[name] = name
end

local F = {} -- the fields, by their full name

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
    { "uint8", "zmtp.revision", "Revision" },
    { "uint8", "zmtp.socket_type", "Socket type", DEC, sockets },
    { "string", "zmtp.identity", "Identity" },
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
    { "bytes", "zmtp.group", "Group", base.SPACE },
    { "bytes", "zmtp.curve.version", "CURVE: version" },
    { "bytes", "zmtp.curve.padding", "CURVE: padding" },
    { "bytes", "zmtp.curve.key", "CURVE: public key" },
    { "bytes", "zmtp.curve.nonce", "CURVE: nonce" },
    { "bytes", "zmtp.curve.cookie", "CURVE: cookie" },
    { "bytes", "zmtp.curve.box", "CURVE: box" },
    { "bytes", "zmtp.curve.mac", "CURVE: authenticator" },
    { "bytes", "zmtp.curve.flags", "CURVE: flags, boxed" },
    { "bytes", "zmtp.curve.data", "CURVE: a frame or a command, boxed" },
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
    { "uint32", "sp.hops", "Hops" },
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

-- What is remembered of a conversation: each side, the other one, and what is known of both.

local conversations = {}
local tcp_stream = Field.new("tcp.stream")
local tcp_seq = Field.new("tcp.seq")
local tcp_len = Field.new("tcp.len")

function message.init()
    conversations = {}
end

local function side_of(pinfo)
    local stream = tcp_stream()
    local key = stream and tostring(stream.value) or ""
    local both = conversations[key]
    if not both then
        both = { sides = {} }
        conversations[key] = both
    end
    local from = tostring(pinfo.src) .. " " .. pinfo.src_port
    local to = tostring(pinfo.dst) .. " " .. pinfo.dst_port
    for mine, other in pairs({ [from] = to, [to] = from }) do
        if not both.sides[mine] then
            both.sides[mine] = { both = both }
        end
        if both.sides[other] then
            both.sides[mine].peer = both.sides[other]
            both.sides[other].peer = both.sides[mine]
        end
    end
    return both.sides[from]
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

-- Bytes as ASCII, the others escaped: what a peer sends may be no text in any encoding.
local function text(c, at, len)
    local bytes = len > 0 and c.tvb(at, len):raw() or ""
    return (bytes:gsub("[^\32-\126]", function(byte)
        return string.format("\\x%02x", byte:byte())
    end))
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
        put(c, c.foreign or "message.foreign", len)
        say(c, len .. " bytes")
        return false
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
Each protocol has a measure and a reader. measure(tvb, at, side, greeting): the bytes of the greeting or message at this
place; nil: more must be there to tell; false: nothing that it can be. read(c, len, greeting) adds them to the tree. If
it sets c.lost, no byte that follows in this direction is understood.
]]

-- ZMTP

-- Which greeting stands there? 2 or 3, 4 for a version that is not known, nil: more is needed, false: none.
local function zmtp_version(tvb, at)
    local left = tvb:len() - at
    if (left > 0 and tvb(at, 1):uint() ~= 0xff) or (left >= 10 and tvb(at + 9, 1):uint() ~= 0x7f) then
        return false
    end
    if left < 13 then
        return nil
    end
    local major, second, third = tvb(at + 10, 1):uint(), tvb(at + 11, 1):uint(), tvb(at + 12, 1):uint()
    if major ~= 0 and major ~= 2 and second <= 10 and third == 0 then
        return 2
    end
    if major < 3 then
        return false
    end
    if left < 32 then
        return nil
    end
    if not tvb(at + 12, 20):raw():match("^[A-Z0-9_.+-]+\0*$") then
        return false
    end
    return major == 3 and 3 or 4
end

local function zmtp_measure(tvb, at, side, greeting)
    local left = tvb:len() - at
    if greeting then
        local version = zmtp_version(tvb, at)
        if version == 2 then
            return left >= 14 and 14 + tvb(at + 13, 1):uint() or nil
        end
        return version and (version == 3 and 64 or 12)
    end
    local start = at
    while true do -- all frames of a message
        if at >= tvb:len() then
            return nil
        end
        local flags = tvb(at, 1):uint()
        local bad = flags > 7 or (has(flags, 4) and (has(flags, 1) or side.version == 2))
        local size = has(flags, 2) and 8 or 1
        if not bad and tvb:len() - at < 1 + size then
            return nil
        end
        local len = not bad and (size == 8 and length64(tvb, at + 1) or tvb(at + 1, 1):uint())
        if bad or len == math.huge then
            return at > start and at - start -- what stands before it is good
        end
        at = at + 1 + size + len
        local first = at - start == 1 + size + len
        if not has(flags, 1) and (first or not has(flags, 4)) then
            return at - start
        end
    end
end

local function zmtp_head(c)
    local size = has(c.tvb(c.at, 1):uint(), 2) and 8 or 1
    local body = size == 8 and length64(c.tvb, c.at + 1) or c.tvb(c.at + 1, 1):uint()
    put(c, "zmtp.flags", 1)
    if size == 8 then
        put(c, "zmtp.length", 8)
    else
        put(c, "zmtp.length", 1, UInt64(body))
    end
    return body
end

local function zmtp_greeting(c)
    local version = zmtp_version(c.tvb, c.at)
    c.side.version = version
    put(c, "zmtp.signature", 10)
    if version == 2 then
        put(c, "zmtp.revision", 1)
        c.side.socket = sockets[c.tvb(c.at, 1):uint()]
        put(c, "zmtp.socket_type", 1)
        local len = zmtp_head(c)
        if len > 0 then
            put(c, "zmtp.identity", len, text(c, c.at, len))
        end
        say(c, "greeting 2.0 " .. c.side.socket)
        return
    end
    local major, minor = c.tvb(c.at, 1):uint(), c.tvb(c.at + 1, 1):uint()
    put(c, "zmtp.major", 1)
    put(c, "zmtp.minor", 1)
    say(c, "greeting " .. major .. "." .. minor)
    if version == 4 then
        c.lost = true
        return
    end
    c.side.mechanism = c.tvb(c.at, 20):stringz()
    c.side.sealed = c.side.mechanism ~= "NULL" and c.side.mechanism ~= "PLAIN"
    put(c, "zmtp.mechanism", 20, c.side.mechanism)
    put(c, "zmtp.as_server", 1)
    put(c, "zmtp.filler", 31)
    say(c, c.side.mechanism)
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
            c.side.socket = sockets_by_name[value]
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

-- One of CURVE's layouts, the name's length and name included.
local function zmtp_curve(c, last)
    local len = c.at < last and c.tvb(c.at, 1):uint() or 0
    local name = c.at + 1 + len <= last and text(c, c.at + 1, len) or ""
    local layout, left = curve[name], last - c.at - 1 - len
    if c.side.mechanism ~= "CURVE" or not layout or left < layout[1] or left > layout[2] then
        return false
    end
    put(c, "zmtp.command", 1 + len, name)
    say(c, name)
    for i = 3, #layout do
        local field, size = layout[i][1], layout[i][2] or last - c.at
        if size > 0 then
            put(c, "zmtp.curve." .. field, size)
        end
    end
    return true
end

-- libzmq 4.3.4 gives a SUBSCRIBE or CANCEL of a long prefix a length that is 256 too small: the borders are lost.
local function length_wrapped(c, last)
    local there = c.tvb(c.at, last - c.at):raw()
    for _, name in ipairs({ "\9SUBSCRIBE", "\6CANCEL" }) do
        if #there < #name + 1 and name:sub(1, #there) == there then
            return true
        end
    end
    return false
end

local function zmtp_command(c, last)
    if c.at == last or zmtp_curve(c, last) then
        return
    end
    local len = c.tvb(c.at, 1):uint()
    if len == 0 or c.at + 1 + len > last then
        c.lost = length_wrapped(c, last)
        if not c.lost then
            zmtp_rest(c, last)
            say(c, "a command that is none")
        end
        return
    end
    local name = text(c, c.at + 1, len)
    local data = commands[name]
    if c.side.mechanism ~= "PLAIN" and (name == "HELLO" or name == "INITIATE") then
        data = nil -- of NULL they are nothing
    end
    put(c, "zmtp.command", 1 + len, name)
    say(c, name)
    if c.at == last then
        return
    elseif data == "reason" then
        zmtp_strings(c, last, { "zmtp.error.reason" })
    elseif c.side.sealed then
        zmtp_rest(c, last)
    elseif data == "properties" then
        zmtp_properties(c, last)
    elseif data == "login" then
        zmtp_strings(c, last, { "zmtp.hello.username", "zmtp.hello.password" })
    elseif data == "prefix" or data == "group" then
        say(c, text(c, c.at, last - c.at))
        put(c, "zmtp." .. data, last - c.at)
    elseif data == "context" or (data == "time" and last - c.at >= 2) then
        if data == "time" then
            put(c, "zmtp.ttl", 2)
        end
        if c.at < last then
            put(c, "zmtp.context", last - c.at)
        end
    else
        zmtp_rest(c, last)
    end
end

-- Where the empty frame ends that closes an envelope; nil: there is none. decode_zmtp_message.c says why.
local function zmtp_envelope(c, stop)
    local mine, peer = c.side.socket, c.side.peer and c.side.peer.socket
    local routes = (mine == "DEALER" or mine == "ROUTER") and (peer == "REQ" or peer == "REP")
    if mine ~= "REQ" and mine ~= "REP" and not routes then
        return nil
    end
    local req = mine == "REQ" or peer == "REQ"
    local at = c.at
    while at < c.at + 1024 and at + 2 <= stop and c.tvb(at, 1):uint() == 1 do
        local len = c.tvb(at + 1, 1):uint()
        if len == 0 then
            return (not req or at == c.at or at == c.at + 6) and at + 2 or nil
        end
        at = at + 2 + len
    end
    return nil
end

local function zmtp_sealed(c, last)
    say(c, "boxed")
    -- What else CURVE has is a command.
    if last - c.at < 33 or c.tvb(c.at, 8):raw() ~= "\7MESSAGE" or not zmtp_curve(c, last) then
        zmtp_rest(c, last)
    end
end

local silent = { SUB = true, PULL = true, DISH = true, GATHER = true } -- they only receive

local function zmtp_read(c, len, greeting)
    local stop = c.at + len
    if greeting then
        zmtp_greeting(c)
        return
    end
    local socket = c.side.socket
    local first, envelope = true, nil
    c.foreign = (not socket or silent[socket]) and "zmtp.data" or nil
    while c.at < stop do
        local flags = c.tvb(c.at, 1):uint()
        local more = has(flags, 1)
        if first and not has(flags, 4) then
            envelope = zmtp_envelope(c, stop)
        end
        local body = zmtp_head(c)
        local last = c.at + body
        local what = (socket == "SUB" or socket == "XSUB") and first and not more and body > 0
            and switch[c.tvb(c.at, 1):uint()]
        if has(flags, 4) then
            zmtp_command(c, last)
            if c.lost then
                return
            end
        elseif c.side.sealed then
            zmtp_sealed(c, last)
        elseif what then
            put(c, "zmtp.subscription", 1)
            say(c, what)
            if c.at < last then
                say(c, text(c, c.at, last - c.at))
                put(c, "zmtp.prefix", last - c.at)
            end
        elseif envelope and c.at < envelope then
            local id = body == 4 and (socket == "REQ" or c.side.peer.socket == "REQ")
            put(c, id and "zmtp.request_id" or "zmtp.envelope", body)
        elseif envelope == c.at and body == 0 then
            envelope = nil
        elseif socket == "RADIO" and first and more and body > 0 then
            say(c, text(c, c.at, body))
            put(c, "zmtp.group", body)
        else
            payload(c, body)
        end
        first = first and has(flags, 4)
    end
end

-- SP

local sp_start = { 0x00, 0x53, 0x50, 0x00 }

local function sp_greets(tvb, at)
    if not starts(tvb, at, sp_start) then
        return false
    end
    if tvb:len() - at < 8 then
        return nil
    end
    return tvb(at + 6, 2):uint() == 0
end

local function sp_measure(tvb, at, side, greeting)
    local left = tvb:len() - at
    if greeting then
        local greets = sp_greets(tvb, at)
        return greets and 8 or greets
    end
    local type = tvb(at, 1):uint()
    if side.typed == nil then
        side.typed = type == 1
    end
    if side.typed and type ~= 1 then
        return false
    end
    local typed = side.typed and 1 or 0
    if left < typed + 8 then
        return nil
    end
    local len = length64(tvb, at + typed)
    return len ~= math.huge and typed + 8 + len or false
end

-- The bytes of the ids before the payload; nil: their last one is missing.
local function sp_ids(c, stop)
    local at = c.at
    while at + 4 <= stop and at < c.at + 256 do
        if c.tvb(at, 1):uint() >= 0x80 then
            return at
        end
        at = at + 4
    end
    return nil
end

local function sp_read(c, len, greeting)
    local stop = c.at + len
    if greeting then
        put(c, "sp.signature", 3)
        put(c, "sp.version", 1)
        c.side.protocol = c.tvb(c.at, 2):uint()
        put(c, "sp.protocol", 2)
        put(c, "sp.reserved", 2)
        local name = protocols[c.side.protocol]
        say(c, "greeting " .. (name or string.format("of an unknown protocol 0x%02x", c.side.protocol)))
        c.lost = name == nil
        return
    end
    if c.side.typed then
        put(c, "sp.type", 1)
    end
    put(c, "sp.length", 8)
    local header = headers[c.side.protocol]
    if not c.side.protocol then -- Decode As, without the greeting
        c.foreign = "unknown.bytes"
    elseif header == "hops" and c.at < stop then
        if stop - c.at < 4 or c.tvb(c.at, 4):uint() > 255 then
            put(c, "unknown.bytes", stop - c.at)
            return
        end
        put(c, "sp.hops", 4)
    elseif header == "ids" and c.at < stop then
        local last = sp_ids(c, stop)
        if not last then
            put(c, "unknown.bytes", stop - c.at)
            return
        end
        while c.at < last do
            put(c, "sp.channel_id", 4)
        end
        put(c, "sp.request_id", 4)
    end
    payload(c, stop - c.at)
end

-- raw

local RAW_MOST = 0x40000000
local RAW_GUESSED = 0x4000000 -- text read as a length is far more

-- Is the message in these len bytes Triptych's, its topic of at most most bytes? nil: not enough is there. Else its kind.
local function raw_kind(tvb, at, len, most)
    for topic = 0, math.min(len - 25, most) do
        local p = at + topic
        if p >= tvb:len() then
            return nil
        end
        if topic == 0 and tvb(p, 1):uint() == 1 then
            return false -- no text begins so, but a subscription does, and much that is not ours
        end
        if tvb(p, 1):uint() == 0 then
            if p + 9 > tvb:len() then
                return nil
            end
            local good = tvb(p + 1, 1):uint() == 1 and tvb(p + 3, 2):uint() == 0
                and tvb(p + 5, 4):uint() == len - topic - 25
            return good and kinds[tvb(p + 2, 1):uint()] or false
        end
    end
    return false
end

--[[
Which role does the side have whose frame stands there? "client" or "server" of request/reply, "publisher": a message of
Triptych's says so. "subscriber": it would fit, which is no proof. nil: more is needed to tell; false: none.
]]
local function raw_role(tvb, at)
    if tvb:len() - at < 4 then
        return nil
    end
    local len = tvb(at, 4):uint()
    if len == 0 or len > RAW_GUESSED or starts(tvb, at, sp_start) then
        return false
    end
    local kind = len >= 29 and raw_kind(tvb, at + 8, len - 4, 0)
    local event = len >= 25 and raw_kind(tvb, at + 4, len, 255)
    if kind == "request" then
        return "client"
    elseif kind == "reply" or kind == "error" then
        return "server"
    elseif event == "event" then
        return "publisher"
    elseif (kind == nil or event == nil) and tvb:len() - at < 64 then
        return nil
    elseif tvb:len() - at >= 5 and len <= 65537 and tvb(at + 4, 1):uint() <= 1 then
        return "subscriber"
    end
    return tvb:len() - at < 5 and nil
end

local raw_opposite = { client = "server", server = "client", publisher = "subscriber", subscriber = "publisher" }

local function raw_measure(tvb, at, side)
    if tvb:len() - at < 4 then
        return nil
    end
    local len = tvb(at, 4):uint()
    return len < RAW_MOST and 4 + len
end

local function raw_read(c, len)
    local stop = c.at + len
    local role = c.side.role
    if not role and c.side.both.declared then
        role = raw_role(c.tvb, c.at)
    end
    local id = role == "client" or role == "server"
    put(c, "raw.length", 4)
    if role == "subscriber" then
        local what = len >= 5 and switch[c.tvb(c.at, 1):uint()]
        if not what then
            c.misfit = true
            return
        end
        put(c, "raw.subscribe", 1)
        if c.at < stop then
            say(c, what .. " " .. text(c, c.at, stop - c.at))
            put(c, "raw.prefix", stop - c.at)
        else
            say(c, what .. " all")
        end
        return
    end
    if id and len >= 8 then
        put(c, "raw.request_id", 4)
    elseif not role then
        c.foreign = "unknown.bytes"
    end
    c.misfit = payload(c, stop - c.at) == false or len < (id and 33 or 29)
end

-- What all three share: from the stream to greetings and messages, with more asked for where one is incomplete.

local DESEGMENT_MOST = 0x40000000 -- what claims more is not waited for

local function not_understood(speak, tvb, at, pinfo, tree)
    tree:add(speak.proto, tvb(at)):add(F["unknown.bytes"], tvb(at))
    pinfo.cols.info = "[not understood]"
end

-- The greeting is what a direction begins with. On a second look it is where it was on the first; and a packet may be
-- looked at in two pieces, so its number alone does not tell.
local function greets(speak, side, tvb, at, pinfo)
    if not speak.greeting or (side.greeted and pinfo.number > side.greeted) or at > 0 then
        return false
    end
    return speak.greeting(tvb, at) ~= false
end

local function dissect(speak, tvb, pinfo, tree)
    local side = side_of(pinfo)
    local at = 0
    pinfo.cols.protocol = speak.title
    if side.lost and pinfo.number > side.lost then
        not_understood(speak, tvb, 0, pinfo, tree)
        return tvb:len()
    end
    while at < tvb:len() do
        local greeting = greets(speak, side, tvb, at, pinfo)
        if speak.greeting and not greeting and side.greeted == nil and side.both.claimed then
            side.lost = 0 -- the other side has greeted; this one speaks something else
            not_understood(speak, tvb, 0, pinfo, tree)
            return tvb:len()
        end
        local len = speak.measure(tvb, at, side, greeting)
        if len == false or (len and len > DESEGMENT_MOST) then
            side.lost = side.lost or pinfo.number
            not_understood(speak, tvb, at, pinfo, tree)
            break
        end
        if not len or at + len > tvb:len() then
            if pinfo.can_desegment > 0 then
                pinfo.desegment_offset = at
                pinfo.desegment_len = len and at + len - tvb:len() or DESEGMENT_ONE_MORE_SEGMENT
            end
            break
        end
        if greeting then
            side.greeted = pinfo.number
        elseif side.greeted == nil then
            side.greeted = 0 -- the capture begins later
        end
        local cursor = { tvb = tvb, at = at, root = tree, side = side, said = {} }
        cursor.tree = tree:add(speak.proto, tvb(at, len))
        local outer = cursor.tree
        speak.read(cursor, len, greeting)
        if cursor.misfit and not side.both.declared then
            side.both.revoked = true
        end
        local words = table.concat(cursor.said, " ")
        outer:append_text(": " .. words)
        if at == 0 then
            pinfo.cols.info = "[" .. words .. "]"
        else
            pinfo.cols.info:append(" [" .. words .. "]")
        end
        at = at + len
        if cursor.lost then
            side.lost = side.lost or pinfo.number
            at = cursor.at
            if at < tvb:len() then
                not_understood(speak, tvb, at, pinfo, tree)
            end
            break
        end
    end
    return tvb:len()
end

local speak_zmtp = { proto = zmtp, title = "ZMTP", measure = zmtp_measure, read = zmtp_read, greeting = zmtp_version }
local speak_sp = { proto = sp, title = "SP", measure = sp_measure, read = sp_read, greeting = sp_greets }
local speak_raw = { proto = raw, title = "RAW", measure = raw_measure, read = raw_read }

function zmtp.dissector(tvb, pinfo, tree)
    return dissect(speak_zmtp, tvb, pinfo, tree)
end

function sp.dissector(tvb, pinfo, tree)
    return dissect(speak_sp, tvb, pinfo, tree)
end

-- Is all that is whole there what the side's role sends? What is not may be somebody else's.
local function raw_fits(tvb, role)
    local at = 0
    while tvb:len() - at >= 5 do
        local len = tvb(at, 4):uint()
        local found = raw_role(tvb, at)
        local fits = found == role or (role == "subscriber" and len > 0 and len <= 65537 and tvb(at + 4, 1):uint() <= 1)
        if not fits then
            return found == nil and tvb:len() - at < 4 + len
        end
        at = at + 4 + len
    end
    return true
end

function raw.dissector(tvb, pinfo, tree)
    local side = side_of(pinfo)
    local both = side.both
    side.role = side.role or (side.peer and raw_opposite[side.peer.role])
    if not both.raw then
        both.declared = true -- by Decode As
    elseif not both.revoked and not raw_fits(tvb, side.role) then
        both.revoked = true
    end
    if both.revoked then
        return 0 -- the others may try
    end
    return dissect(speak_raw, tvb, pinfo, tree)
end

-- Recognising them. Sure: the conversation is that protocol's from here on. Not yet: wait for more, at a stream's start.

local function ours(speak, tvb, pinfo, tree)
    pinfo.conversation = speak.proto
    side_of(pinfo).both.claimed = true
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

local function by_greeting(speak)
    return function(tvb, pinfo, tree)
        if tvb:len() < 1 or not at_start(tvb) then
            return false
        end
        local greeting = speak.greeting(tvb, 0)
        if greeting == nil then
            return wait(tvb, pinfo)
        end
        return greeting and ours(speak, tvb, pinfo, tree)
    end
end

zmtp:register_heuristic("tcp", by_greeting(speak_zmtp))
sp:register_heuristic("tcp", by_greeting(speak_sp))

-- Nothing is claimed for a subscription alone: many protocols begin with a length and a small byte. Once the publisher's
-- first event has shown what it was, a second look at its packet says so.
raw:register_heuristic("tcp", function(tvb, pinfo, tree)
    local side = side_of(pinfo)
    local both = side.both
    if tvb:len() < 1 or both.revoked or not at_start(tvb) then
        return false
    end
    local role = raw_role(tvb, 0)
    local peer = side.peer and side.peer.role
    if role == nil then
        side.first = tvb:len() >= 4 and tvb(0, 4):uint() or nil
        return wait(tvb, pinfo)
    end
    local first = side.peer and side.peer.first -- all that is known of the other side may be a length
    local short = first and first < (role == "publisher" and 1 or role == "subscriber" and 25 or 29)
    if not role or not raw_fits(tvb, role) or (peer and raw_opposite[peer] ~= role) or short then
        both.revoked = true
        return false
    end
    side.role = role
    both.raw = both.raw or role ~= "subscriber"
    return both.raw and ours(speak_raw, tvb, pinfo, tree)
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

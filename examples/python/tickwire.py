#!/usr/bin/env python3
"""A Tickwire client in one file, with nothing but Python's standard library. Written from proto/frames.md.

    python3 tickwire.py BTC-USD [--url ws://localhost:9001/v1/stream] [--codec msgpack|json] [--depth 5] [--updates 10]

It prints the best bid and offer after each update. Every book that it prints was compared with the gateway's checksum.
"""

import argparse
import base64
import hashlib
import json
import os
import re
import socket
import struct
import sys
from urllib.parse import urlsplit

INTEGER_MAX = 2**53 - 1
SCALE_MAX = 15
NESTED_MAX = 16

CHANNELS = ["book", "quote", "trade", "status"]
MODES = ["live", "raw"]
STATUSES = ["live", "crossed", "halted", "source-down", "stale", "resync"]
RESET_REASONS = ["subscribed", "requested", "horizon", "epoch", "future", "gap", "mode"]
GAP_REASONS = ["ring", "budget", "bus"]
END_REASONS = ["delisted", "revoked", "unsubscribed"]
PACES = ["real-time", "conflated", "slower", "top"]
PACE_REASONS = ["link", "budget"]
GOODBYE_REASONS = ["drain"]
HEALINGS = ["replayed", "diffed", "snapshot"]
HEAL_REASONS = ["cursor", "none", "horizon", "epoch", "future", "gap", "requested"]
SIDES = ["unknown", "buy", "sell"]
TRADE_KINDS = ["trade", "correction", "bust"]
INSTRUMENT_ACTIONS = ["listed", "changed", "delisted"]


class Malformed(Exception):
    """The bytes are not what the protocol allows. The message is refused as a whole."""


# ---- The kinds of fields -------------------------------------------------------------------------------------------


class Kind:
    """How one field is read: from MessagePack, and from the value that JSON has for it."""

    def __init__(self, msgpack, from_json):
        self.msgpack = msgpack
        self.json = from_json


def checked(value, good):
    if not good:
        raise Malformed(f"unexpected value: {value!r:.40}")
    return value


def json_integer(value, _topic=None):
    # JSON knows one kind of number: 1000 may be written 1e3.
    if type(value) is float and value.is_integer():
        value = int(value)
    return checked(value, type(value) is int and abs(value) <= INTEGER_MAX)


def json_string(value, _topic=None):
    return checked(value, type(value) is str)


def json_decimal(value, scale):
    """The mantissa of a decimal string; digits beyond the scale must be zeros."""
    match = re.fullmatch(r"([+-]?)([0-9]+)(?:\.([0-9]+))?", json_string(value), re.ASCII)
    checked(value, match is not None and len(value) <= 64)
    sign, whole, fraction = match.group(1), match.group(2), match.group(3) or ""
    checked(value, fraction[scale:].strip("0") == "")
    mantissa = int(whole + fraction[:scale].ljust(scale, "0"))
    checked(value, mantissa <= INTEGER_MAX)
    return -mantissa if sign == "-" else mantissa


def named(names, grows):
    """An entry of a list. What a list that grows does not have yet reads as `other`."""

    def of_number(reader, _topic):
        number = reader.integer()
        if 0 <= number < len(names):
            return names[number]
        return checked("other", grows)

    def of_name(value, _topic):
        json_string(value)
        return value if value in names else checked("other", grows)

    return Kind(of_number, of_name)


def one_of(names):
    """A string in both codecs."""
    return Kind(lambda r, _: checked(s := r.string(), s in names), lambda v, _: checked(v, v in names))


def or_null(kind):
    def of_msgpack(reader, topic):
        return None if reader.nil() else kind.msgpack(reader, topic)

    return Kind(of_msgpack, lambda v, topic: None if v is None else kind.json(v, topic))


def optional(absent):
    """An integer that is on the wire only where it says something. Anything else in its place is of no meaning to this client."""

    def of_msgpack(reader, _topic):
        if reader.at_integer():
            return reader.integer()
        reader.skip()
        return absent

    kind = Kind(of_msgpack, json_integer)
    kind.absent = absent
    return kind


def rows(fields):
    """A list of entries: arrays in MessagePack, objects in JSON."""

    def of_msgpack(reader, topic):
        entries = []
        for _ in range(reader.array()):
            count = reader.array()
            checked(count, count >= len(fields))
            entries.append({name: kind.msgpack(reader, topic) for name, kind in fields.items()})
            for _ in range(count - len(fields)):
                reader.skip()
        return entries

    def of_json(value, topic):
        checked(value, type(value) is list)
        return [json_fields(entry, fields, topic) for entry in value]

    return Kind(of_msgpack, of_json)


def one_row(fields):
    def of_msgpack(reader, topic):
        count = reader.array()
        checked(count, count >= sum(not hasattr(kind, "absent") for kind in fields.values()))
        entry = {}
        for index, (name, kind) in enumerate(fields.items()):
            value = kind.msgpack(reader, topic) if index < count else kind.absent
            if value is not None:
                entry[name] = value
        for _ in range(count - len(fields)):
            reader.skip()
        return entry

    return Kind(of_msgpack, lambda value, topic: json_fields(value, fields, topic))


def json_fields(value, fields, topic):
    checked(value, type(value) is dict)
    out = {}
    for name, kind in fields.items():
        if name in value:
            out[name] = kind.json(value[name], topic)
        elif not hasattr(kind, "absent"):
            raise Malformed(f"{name} is missing")
        elif kind.absent is not None:
            out[name] = kind.absent
    return out


def msgpack_levels(reader, topic):
    count = reader.array()
    checked(count, count % topic["stride"] == 0)
    return [reader.integer() for _ in range(count)]


def json_levels(value, topic):
    flat = []
    for row in checked(value, type(value) is list):
        checked(row, type(row) is list and len(row) >= topic["stride"])
        flat += [json_decimal(row[0], topic["priceScale"]), json_decimal(row[1], topic["sizeScale"])]
        if topic["stride"] == 3:
            flat.append(json_integer(row[2]))
    return flat


def within(low, high):
    return Kind(
        lambda r, _: checked(n := r.integer(), low <= n <= high),
        lambda v, _: checked(json_integer(v), low <= v <= high),
    )


INTEGER = Kind(lambda r, _: r.integer(), json_integer)
STRING = Kind(lambda r, _: r.string(), json_string)
PRICE = Kind(lambda r, _: r.integer(), lambda v, topic: json_decimal(v, topic["priceScale"]))
SIZE = Kind(lambda r, _: r.integer(), lambda v, topic: json_decimal(v, topic["sizeScale"]))
LEVELS = Kind(msgpack_levels, json_levels)
TRADE_ID = Kind(
    lambda r, _: r.string() if r.at_string() else r.integer(),
    lambda v, _: v if type(v) is str else json_integer(v),
)
SCALE = within(0, SCALE_MAX)

# ---- The frames: by their numbers, each with its fields in their order ---------------------------------------------

ACCEPTED = {"symbol": STRING, "topic": INTEGER, "depth": INTEGER, "intervalMs": INTEGER, "mode": one_of(MODES)}
REFUSED = {"symbol": STRING, "code": STRING, "message": STRING, "action": STRING}
LIMITS = {
    "requestBytes": INTEGER,
    "symbolsPerRequest": INTEGER,
    "subscriptions": INTEGER,
    "heartbeatMs": INTEGER,
    "ageMsMax": INTEGER,
    "stallMsMax": optional(None),
    "silentMs": optional(None),
    "requestsPerSec": optional(None),
}

FRAMES = {
    0: ("welcome", {"version": STRING, "server": STRING, "session": STRING, "timeUs": INTEGER, "limits": one_row(LIMITS)}),
    1: ("ack", {"id": INTEGER, "op": STRING, "accepted": rows(ACCEPTED), "refused": rows(REFUSED)}),
    2: ("error", {"id": or_null(INTEGER), "code": STRING, "message": STRING, "action": STRING}),
    3: ("pong", {"id": INTEGER, "timeUs": INTEGER}),
    4: ("heartbeat", {"timeUs": INTEGER, "roundTripMs": or_null(INTEGER), "lagMs": INTEGER}),
    5: (
        "pace",
        {"pace": named(PACES, True), "priority": INTEGER, "intervalMs": INTEGER, "reason": named(PACE_REASONS, True)},
    ),
    6: ("refused", {"code": STRING, "message": STRING, "action": STRING, "retryAfterMs": or_null(INTEGER)}),
    7: ("goodbye", {"reason": named(GOODBYE_REASONS, True), "reconnectMs": INTEGER, "closeMs": INTEGER}),
    8: ("token", {"token": STRING, "lifeMs": INTEGER}),
    9: ("identity", {"principal": STRING, "untilUs": or_null(INTEGER)}),
    16: ("time", {"timeUs": INTEGER}),
    17: (
        "topic",
        {
            "topic": INTEGER,
            "channel": one_of(CHANNELS),
            "symbol": STRING,
            "epoch": INTEGER,
            "priceScale": SCALE,
            "sizeScale": SCALE,
            "stride": within(2, 3),
            "tickSize": PRICE,
            "lotSize": SIZE,
            "group": optional(None),
        },
    ),
    18: (
        "book",
        {"depth": INTEGER, "checksum": INTEGER, "bids": LEVELS, "asks": LEVELS, "parts": optional(0)},
    ),
    19: ("quote", {"bidPrice": or_null(PRICE), "bidSize": SIZE, "askPrice": or_null(PRICE), "askSize": SIZE}),
    20: (
        "trade",
        {"id": TRADE_ID, "kind": named(TRADE_KINDS, False), "side": named(SIDES, False), "price": PRICE, "size": SIZE},
    ),
    21: ("status", {"status": named(STATUSES, True), "reason": or_null(STRING)}),
    22: ("health", {"topic": INTEGER, "status": named(STATUSES, True), "ageMs": INTEGER}),
    23: ("gap", {"topic": INTEGER, "firstSeq": INTEGER, "lastSeq": INTEGER, "reason": named(GAP_REASONS, True)}),
    24: ("reset", {"topic": INTEGER, "seq": INTEGER, "reason": named(RESET_REASONS, True)}),
    25: ("part", {"depth": INTEGER, "index": INTEGER, "count": INTEGER, "bids": LEVELS, "asks": LEVELS}),
    26: ("end", {"topic": INTEGER, "reason": named(END_REASONS, True)}),
    27: (
        "instrument",
        {
            "action": named(INSTRUMENT_ACTIONS, False),
            "symbol": STRING,
            "priceScale": SCALE,
            "sizeScale": SCALE,
            "tickSize": PRICE,
            "lotSize": SIZE,
        },
    ),
    28: ("healed", {"topic": INTEGER, "how": named(HEALINGS, True), "why": named(HEAL_REASONS, True)}),
}
BY_NAME = dict(FRAMES.values())
STAMPED = ["book", "quote", "trade", "status"]


# ---- MessagePack ---------------------------------------------------------------------------------------------------


class Reader:
    def __init__(self, message):
        self.bytes = message
        self.at = 0

    @property
    def done(self):
        return self.at == len(self.bytes)

    def take(self, count):
        end = self.at + count
        if end > len(self.bytes):
            raise Malformed("the message ends too early")
        taken = self.bytes[self.at : end]
        self.at = end
        return taken

    def number(self, form):
        return struct.unpack(">" + form, self.take(struct.calcsize(form)))[0]

    def peek(self):
        if self.done:
            raise Malformed("the message ends too early")
        return self.bytes[self.at]

    def nil(self):
        if self.peek() != 0xC0:
            return False
        self.at += 1
        return True

    def integer(self):
        head = self.number("B")
        if head < 0x80:
            return head
        if head >= 0xE0:
            return head - 0x100
        forms = {0xCC: "B", 0xCD: "H", 0xCE: "I", 0xCF: "Q", 0xD0: "b", 0xD1: "h", 0xD2: "i", 0xD3: "q"}
        if head not in forms:
            raise Malformed("no integer")
        value = self.number(forms[head])
        return checked(value, abs(value) <= INTEGER_MAX)

    def at_integer(self):
        head = self.peek()
        return head < 0x80 or head >= 0xE0 or 0xCC <= head <= 0xD3

    def at_string(self):
        head = self.peek()
        return 0xA0 <= head < 0xC0 or head in (0xD9, 0xDA, 0xDB)

    def string(self):
        if not self.at_string():
            raise Malformed("no string")
        head = self.number("B")
        count = head - 0xA0 if head < 0xC0 else self.number({0xD9: "B", 0xDA: "H", 0xDB: "I"}[head])
        try:
            return bytes(self.take(count)).decode("utf-8")
        except UnicodeDecodeError:
            raise Malformed("a string that is not UTF-8") from None

    def array(self):
        head = self.number("B")
        if 0x90 <= head < 0xA0:
            count = head - 0x90
        elif head == 0xDC:
            count = self.number("H")
        elif head == 0xDD:
            count = self.number("I")
        else:
            raise Malformed("no array")
        # Each element has one byte at least: what claims more is not worth a loop.
        return checked(count, count <= len(self.bytes) - self.at)

    def skip(self, nested=0):
        """Passes over a value of any kind."""
        checked(nested, nested <= NESTED_MAX)
        head = self.number("B")
        fixed = {0xCA: 4, 0xCB: 8, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, 0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8}
        fixed |= {0xD4: 2, 0xD5: 3, 0xD6: 5, 0xD7: 9, 0xD8: 17, 0xC0: 0, 0xC2: 0, 0xC3: 0}
        sized = {0xC4: ("B", 0), 0xC5: ("H", 0), 0xC6: ("I", 0), 0xC7: ("B", 1), 0xC8: ("H", 1), 0xC9: ("I", 1)}
        sized |= {0xD9: ("B", 0), 0xDA: ("H", 0), 0xDB: ("I", 0)}
        if head < 0x80 or head >= 0xE0:
            return
        if head < 0x90:
            return self.skip_all(2 * (head - 0x80), nested)
        if head < 0xA0:
            return self.skip_all(head - 0x90, nested)
        if head < 0xC0:
            self.take(head - 0xA0)
        elif head in fixed:
            self.take(fixed[head])
        elif head in sized:
            form, more = sized[head]
            self.take(self.number(form) + more)
        elif head in (0xDC, 0xDD):
            self.skip_all(self.number("H" if head == 0xDC else "I"), nested)
        elif head in (0xDE, 0xDF):
            self.skip_all(2 * self.number("H" if head == 0xDE else "I"), nested)
        else:
            raise Malformed("no MessagePack")

    def skip_all(self, count, nested):
        checked(count, count <= len(self.bytes) - self.at)
        for _ in range(count):
            self.skip(nested + 1)


def packed(value):
    """A request in MessagePack."""
    if value is None:
        return b"\xc0"
    if value is True or value is False:
        return b"\xc3" if value else b"\xc2"
    if type(value) is int:
        if 0 <= value < 0x80:
            return struct.pack("B", value)
        if -0x20 <= value < 0:
            return struct.pack("b", value)
        forms = (
            [(0xCC, "B"), (0xCD, "H"), (0xCE, "I"), (0xCF, "Q")]
            if value >= 0
            else [(0xD0, "b"), (0xD1, "h"), (0xD2, "i"), (0xD3, "q")]
        )
        for head, form in forms:
            try:
                return struct.pack(">B" + form, head, value)
            except struct.error:
                continue
        raise ValueError(f"{value} is too large")
    if type(value) is float:
        return struct.pack(">Bd", 0xCB, value)
    if type(value) is str:
        text = value.encode("utf-8")
        if len(text) < 32:
            return bytes([0xA0 + len(text)]) + text
        if len(text) < 256:
            return bytes([0xD9, len(text)]) + text
        return struct.pack(">BH", 0xDA, len(text)) + text
    if type(value) is list:
        head = bytes([0x90 + len(value)]) if len(value) < 16 else struct.pack(">BH", 0xDC, len(value))
        return head + b"".join(packed(each) for each in value)
    head = bytes([0x80 + len(value)]) if len(value) < 16 else struct.pack(">BH", 0xDE, len(value))
    return head + b"".join(packed(key) + packed(member) for key, member in value.items())


# ---- Messages to frames --------------------------------------------------------------------------------------------


class Decoder:
    """The frames of one connection's messages. It remembers the topics that were announced."""

    def __init__(self, codec):
        self.codec = codec
        self.topics = {}

    def decode(self, message):
        return self.of_msgpack(message) if self.codec == "msgpack" else self.of_json(message)

    def of_msgpack(self, message):
        reader = Reader(message)
        frames = []
        gateway_us = None
        checked(message, len(message) > 0)
        while not reader.done:
            count = reader.array()
            checked(count, count > 0)
            number = reader.integer()
            if number not in FRAMES:
                for _ in range(count - 1):
                    reader.skip()
                continue
            name, fields = FRAMES[number]
            frame = {"type": name}
            left = count - 1
            topic = None
            if name in STAMPED or name == "part":
                used = 5 if name in STAMPED else 3
                checked(left, left >= used)
                left -= used
                frame["topic"] = reader.integer()
                topic = self.topic(frame["topic"])
                frame["seq"] = reader.integer()
                frame["fromSeq"] = frame["seq"] - reader.integer()
                checked(frame, 0 <= frame["fromSeq"] <= frame["seq"])
                if name in STAMPED:
                    checked(gateway_us, gateway_us is not None)
                    frame["gatewayUs"] = gateway_us
                    frame["publishUs"] = sound(gateway_us - reader.integer())
                    frame["exchangeUs"] = None if reader.nil() else sound(frame["publishUs"] - reader.integer())
            for field, kind in fields.items():
                if left == 0 and hasattr(kind, "absent"):
                    if kind.absent is not None:
                        frame[field] = kind.absent
                    continue
                checked(field, left > 0)
                left -= 1
                value = kind.msgpack(reader, topic)
                if value is not None or not hasattr(kind, "absent"):
                    frame[field] = value
            for _ in range(left):
                reader.skip()
            if name == "time":
                gateway_us = frame["timeUs"]
            self.finish(frame, topic, frames)
        return frames

    def of_json(self, message):
        try:
            lines = bytes(message).decode("utf-8").split("\n")
        except UnicodeDecodeError:
            raise Malformed("not UTF-8") from None
        frames = []
        for line in lines:
            if line == "":
                continue
            try:
                value = json.loads(line, parse_constant=lambda word: checked(word, False))
            except (ValueError, RecursionError):
                raise Malformed("not JSON") from None
            checked(value, type(value) is dict)
            name = json_string(value.get("type"))
            if name not in BY_NAME:
                continue
            frame = {"type": name}
            topic = None
            fields = BY_NAME[name]
            if name in STAMPED or name == "part":
                fields = {"topic": INTEGER, "seq": INTEGER, "fromSeq": INTEGER} | fields
                topic = self.topic(json_integer(value.get("topic")))
            if name in STAMPED:
                fields = fields | {"exchangeUs": or_null(INTEGER), "publishUs": INTEGER, "gatewayUs": INTEGER}
            if name in ("topic", "instrument"):
                topic = json_fields(value, {"priceScale": SCALE, "sizeScale": SCALE}, None)
            frame |= json_fields(value, fields, topic)
            if "fromSeq" in frame:
                checked(frame, 0 <= frame["fromSeq"] <= frame["seq"])
            self.finish(frame, topic, frames)
        return frames

    def topic(self, number):
        if number not in self.topics:
            raise Malformed(f"topic {number} was not announced")
        return self.topics[number]

    def finish(self, frame, topic, frames):
        if frame["type"] in ("book", "part"):
            frame["stride"] = topic["stride"]
        if frame["type"] == "topic":
            self.topics[frame["topic"]] = frame
        frames.append(frame)


def sound(time_us):
    return checked(time_us, abs(time_us) <= INTEGER_MAX)


# ---- A book --------------------------------------------------------------------------------------------------------


def level_hash(side, price, size):
    """MurmurHash3 x86 32 bit of price and size as 64 bit integers; the seed is 0 for bids and 1 for asks."""
    low32 = 0xFFFFFFFF

    def rotated(word, bits):
        return ((word << bits) | (word >> (32 - bits))) & low32

    h = 0 if side == "bid" else 1
    for word in struct.unpack("<4I", struct.pack("<qq", price, size)):
        k = rotated((word * 0xCC9E2D51) & low32, 15)
        h = rotated(h ^ ((k * 0x1B873593) & low32), 13)
        h = (h * 5 + 0xE6546B64) & low32
    h ^= 16
    h = ((h ^ (h >> 16)) * 0x85EBCA6B) & low32
    h = ((h ^ (h >> 13)) * 0xC2B2AE35) & low32
    return h ^ (h >> 16)


class Book:
    """A client's copy of one book, by the client's rules 1 to 11."""

    def __init__(self):
        self.epoch = None
        self.awaits_reset = False
        self.drop()

    def drop(self):
        """Holds nothing."""
        self.seq = None
        self.depth = 0
        self.sides = {"bid": {}, "ask": {}}
        self.parts = []

    def levels(self, side):
        """(price, size, order count or None), best first."""
        held = self.sides[side]
        return [(price, *held[price]) for price in sorted(held, reverse=side == "bid")]

    def checksum(self):
        return sum(level_hash(side, price, held[0]) for side in self.sides for price, held in self.sides[side].items()) % 2**32

    def take(self, frame):
        """Does with a frame what the rules say. Returns which action that was; after `resync` one has to be sent."""
        name = frame["type"]
        if name == "topic":
            if frame["epoch"] == self.epoch:
                return "note"
            held = self.epoch is not None
            self.epoch = frame["epoch"]
            self.drop()
            return "void" if held else "note"
        if name == "reset":
            self.drop()
            self.awaits_reset = False
            return "void"
        if name == "part":
            return self.hold(frame)
        if name != "book":
            return "note"
        parts, self.parts = self.parts, []
        if frame["parts"] == 0:
            parts = []
        same = all((part["fromSeq"], part["seq"]) == (frame["fromSeq"], frame["seq"]) for part in parts)
        if len(parts) != frame["parts"] or not same:
            return self.hole()
        if frame["fromSeq"] == 0:
            self.drop()
            self.awaits_reset = False
            return self.apply(frame, parts, "replace")
        if self.seq is None or self.seq < frame["fromSeq"]:
            return self.hole()
        if self.seq > frame["seq"] or (self.seq == frame["seq"] and self.depth == frame["depth"]):
            return "ignore"
        return self.apply(frame, parts, "apply")

    def hold(self, part):
        if part["index"] == 0:
            self.parts = []
        first = self.parts[0] if self.parts else part
        if part["index"] != len(self.parts) or (part["fromSeq"], part["seq"]) != (first["fromSeq"], first["seq"]):
            return self.hole()
        self.parts.append(part)
        return "hold-back"

    def apply(self, frame, parts, action):
        for piece in [*parts, frame]:
            stride = piece["stride"]
            for side, flat in (("bid", piece["bids"]), ("ask", piece["asks"])):
                held = self.sides[side]
                for i in range(0, len(flat), stride):
                    price, size = flat[i], flat[i + 1]
                    if size == 0:
                        held.pop(price, None)
                    else:
                        held[price] = (size, flat[i + 2] if stride == 3 else None)
        if frame["depth"] > 0:
            for side in self.sides:
                for price, *_ in self.levels(side)[frame["depth"] :]:
                    del self.sides[side][price]
        if self.checksum() != frame["checksum"]:
            return self.hole()
        self.seq = frame["seq"]
        self.depth = frame["depth"]
        return action

    def hole(self):
        asked = self.awaits_reset
        self.drop()
        self.awaits_reset = True
        return "ignore" if asked else "resync"


# ---- WebSocket (RFC 6455), as little of it as a client needs -------------------------------------------------------


class WebSocket:
    MESSAGE_BYTES_MAX = 64 * 1024 * 1024

    def __init__(self, url, subprotocol, timeout_seconds):
        parts = urlsplit(url)
        if parts.scheme != "ws" or parts.hostname is None:
            raise ValueError(f"{url}: an address begins with ws://")
        port = parts.port or 80
        self.socket = socket.create_connection((parts.hostname, port), timeout_seconds)
        self.stream = self.socket.makefile("rb")
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(
            (
                f"GET {parts.path or '/'} HTTP/1.1\r\nHost: {parts.hostname}:{port}\r\nUpgrade: websocket\r\n"
                f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
                f"Sec-WebSocket-Protocol: {subprotocol}\r\n\r\n"
            ).encode()
        )
        status = self.stream.readline(4096)
        headers = {}
        while (line := self.stream.readline(4096)).strip():
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        accept = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
        if b" 101 " not in status or headers.get("sec-websocket-accept") != base64.b64encode(accept).decode():
            raise ConnectionError(f"no WebSocket at {url}: {status.decode('latin-1').strip()}")

    def send(self, opcode, payload):
        mask = os.urandom(4)
        count = len(payload)
        if count < 126:
            head = struct.pack("BB", 0x80 | opcode, 0x80 | count)
        elif count < 65536:
            head = struct.pack(">BBH", 0x80 | opcode, 0x80 | 126, count)
        else:
            head = struct.pack(">BBQ", 0x80 | opcode, 0x80 | 127, count)
        self.socket.sendall(head + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload)))

    def receive(self):
        """The next message, as (is it text, bytes). Pings are answered on the way, in their order."""
        message = b""
        kind = None
        while True:
            first, second = self.exactly(2)
            count = second & 0x7F
            if count == 126:
                (count,) = struct.unpack(">H", self.exactly(2))
            elif count == 127:
                (count,) = struct.unpack(">Q", self.exactly(8))
            if count + len(message) > self.MESSAGE_BYTES_MAX:
                raise ConnectionError("a message without end")
            payload = self.exactly(count)
            opcode = first & 0x0F
            if opcode == 9:
                self.send(10, payload)
            elif opcode == 8:
                code = struct.unpack(">H", payload[:2])[0] if len(payload) >= 2 else 1005
                self.send(8, payload[:2])
                raise ConnectionError(f"closed with {code}: {payload[2:].decode('utf-8', 'replace')}")
            elif opcode in (0, 1, 2):
                kind = kind if opcode == 0 else opcode
                message += payload
                if first & 0x80:
                    return kind == 1, message

    def exactly(self, count):
        data = self.stream.read(count)
        if len(data) < count:
            raise ConnectionError("the connection was lost")
        return data

    def close(self):
        self.socket.close()


class Client:
    """One connection, and the books that it is subscribed to."""

    def __init__(self, url, codec="msgpack", timeout_seconds=30):
        self.codec = codec
        self.socket = WebSocket(url, f"tickwire.v1.{codec}", timeout_seconds)
        self.decoder = Decoder(codec)
        self.books = {}
        self.next_id = 1

    def request(self, op, **fields):
        request = {"op": op, "id": self.next_id, **fields}
        self.next_id += 1
        if self.codec == "msgpack":
            self.socket.send(2, packed(request))
        else:
            self.socket.send(1, json.dumps(request).encode())

    def subscribe(self, symbols, **options):
        self.request("subscribe", channel="book", symbols=symbols, **options)

    def updates(self):
        """Yields (topic, book, frame) after each change of a book; ends never, but by an exception."""
        while True:
            text, message = self.socket.receive()
            # Who knows none of the subprotocols says so in JSON.
            decoder = Decoder("json") if text and self.codec == "msgpack" else self.decoder
            for frame in decoder.decode(message):
                if frame["type"] in ("error", "refused"):
                    raise ConnectionError(f"{frame['code']}: {frame['message']} {frame['action']}")
                if frame["type"] == "ack":
                    for refused in frame["refused"]:
                        raise ValueError(f"{refused['code']}: {refused['message']} {refused['action']}")
                if frame["type"] == "end":
                    self.books.pop(frame["topic"], None)
                if frame["type"] == "topic" and frame["channel"] == "book":
                    self.books.setdefault(frame["topic"], Book())
                book = self.books.get(frame.get("topic"))
                if book is None:
                    continue
                topic = decoder.topics[frame["topic"]]
                action = book.take(frame)
                if action == "resync":
                    self.request("resync", channel="book", symbols=[topic["symbol"]])
                if action in ("replace", "apply"):
                    yield topic, book, frame


def decimal(mantissa, scale):
    digits = str(abs(mantissa)).rjust(scale + 1, "0")
    text = f"{digits[:-scale]}.{digits[-scale:]}" if scale else digits
    return "-" + text if mantissa < 0 else text


def main():
    parser = argparse.ArgumentParser(description="Watches the top of books.")
    parser.add_argument("symbols", nargs="+")
    parser.add_argument("--url", default="ws://localhost:9001/v1/stream")
    parser.add_argument("--codec", choices=["msgpack", "json"], default="msgpack")
    parser.add_argument("--depth", type=int, default=5)
    parser.add_argument("--interval", type=int, default=0, help="milliseconds between updates at least")
    parser.add_argument("--updates", type=int, default=0, help="end after so many; 0: never")
    options = parser.parse_args()
    try:
        client = Client(options.url, options.codec)
        client.subscribe(options.symbols, depth=options.depth, interval=options.interval)
        for count, (topic, book, frame) in enumerate(client.updates(), 1):
            best = []
            for side in ("bid", "ask"):
                levels = book.levels(side)
                best.append(decimal(levels[0][0], topic["priceScale"]) if levels else "-")
            size = " x ".join(str(len(book.levels(side))) for side in ("bid", "ask"))
            print(f"{topic['symbol']} {best[0]} / {best[1]}, {size} levels at update {frame['seq']}", flush=True)
            if count == options.updates:
                break
        client.socket.close()
    except (OSError, ValueError, Malformed) as error:
        sys.exit(f"tickwire.py: {error}")
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()

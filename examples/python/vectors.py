#!/usr/bin/env python3
"""Holds tickwire.py to the golden vectors: python3 vectors.py ../../proto/vectors"""

import json
import sys
from pathlib import Path

from tickwire import Book, Decoder, Malformed, decimal, level_hash, packed

FRAME_FILES = ["control", "topic", "book", "quote", "trade", "status", "integers", "messages", "tolerated"]
CODECS = ["msgpack", "json"]

failures = []
counts = {}


def vectors(folder, name):
    return json.loads((folder / f"{name}.json").read_text())["vectors"]


def expect(what, found, wanted):
    counts[what[0]] = counts.get(what[0], 0) + 1
    if found != wanted:
        failures.append(f"{' '.join(what)}:\n  found  {found}\n  wanted {wanted}")


def message_of(vector, codec):
    if codec == "msgpack":
        return bytes.fromhex(vector["msgpack"]) if "msgpack" in vector else None
    if "jsonHex" in vector:
        return bytes.fromhex(vector["jsonHex"])
    return vector["json"].encode() if "json" in vector else None


def decoder_of(vector, codec):
    """A decoder to which the topics of the context were announced, in its own codec."""
    decoder = Decoder(codec)
    for topic in vector.get("context", {}).get("topics", []):
        if codec == "msgpack":
            decoder.decode(packed([17, *(value for name, value in topic.items() if name != "type")]))
        else:
            scaled = {"tickSize": "priceScale", "lotSize": "sizeScale"}
            written = {name: decimal(value, topic[scaled[name]]) if name in scaled else value for name, value in topic.items()}
            decoder.decode(json.dumps(written).encode())
    return decoder


def refused(vector, codec):
    try:
        decoder_of(vector, codec).decode(message_of(vector, codec))
    except Malformed:
        return True
    return False


def main(folder):
    for codec in CODECS:
        for name in FRAME_FILES:
            for vector in vectors(folder, name):
                message = message_of(vector, codec)
                if message is None:
                    continue
                wanted = [frame for frame in vector["frames"] if codec == "msgpack" or frame["type"] != "time"]
                try:
                    found = decoder_of(vector, codec).decode(message)
                except Malformed as error:
                    found = f"refused: {error}"
                expect(("frames", codec, name, vector["name"]), found, wanted)
        for vector in vectors(folder, "malformed"):
            if message_of(vector, codec) is not None:
                expect(("malformed", codec, vector["name"]), refused(vector, codec), True)
        for vector in vectors(folder, "book-sequences"):
            decoder = decoder_of(vector, codec)
            book = Book()
            book.take(vector["context"]["topics"][0])
            for step in vector["steps"]:
                frames = decoder.decode(message_of(step, codec))
                actions = [book.take(frame) for frame in frames if frame["type"] != "time"]
                sides = {
                    side: [[value for value in level if value is not None] for level in book.levels(side)]
                    for side in ("bid", "ask")
                }
                held = {"seq": book.seq, "depth": book.depth, "bids": sides["bid"], "asks": sides["ask"]}
                found = (actions, {**held, "checksum": book.checksum()})
                expect(("sequences", codec, vector["name"], step["says"]), found, ([step["action"]], step["client"]))
    for vector in vectors(folder, "checksums"):
        found = level_hash(vector["side"], vector["price"], vector["size"])
        expect(("checksums", str(vector)), found, vector["hash"])
    for vector in vectors(folder, "requests"):
        found = b"".join(packed(request) for request in vector["requests"]).hex()
        expect(("requests", vector["name"]), found, vector["msgpack"])
    for failure in failures:
        print(failure)
    print(", ".join(f"{count} {what}" for what, count in counts.items()) + f"; {len(failures)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))

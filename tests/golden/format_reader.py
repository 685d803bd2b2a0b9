#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""format_reader.py CAPTURE: reads a capture by what FORMAT.md says and nothing else, to see that it says enough.

Each record is taken field by field, and has to come out even. Prints how many there are of each kind, and who the tasks are.
"""
import collections
import ctypes
import json
import struct
import sys

HEADER = struct.Struct("<8sBBBBIQQQQIIII")
MAGIC = b"\xb7btcap\r\n"
zstd = ctypes.CDLL("libzstd.so.1")
zstd.ZSTD_decompress.restype = ctypes.c_size_t
zstd.ZSTD_decompress.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t]


class Fields:
    def __init__(self, data):
        self.data, self.at = data, 0

    def number(self):
        value = shift = 0
        while self.at < len(self.data):  # a field that is missing is 0
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        return value

    def numbers(self, count):
        return [self.number() for _ in range(count)]

    def signed(self):
        value = self.number()
        return (value >> 1) ^ -(value & 1)

    def bytes(self):
        length = self.number()
        self.at += length
        assert self.at <= len(self.data)
        return self.data[self.at - length:self.at]

    def part(self, take):
        data = self.bytes()
        if not data:
            return None
        fields = Fields(data)
        value = take(fields)
        fields.must_end()
        return value

    def must_end(self):
        assert self.at == len(self.data), (self.at, self.data)


class Block:
    def __init__(self):
        self.defined = collections.defaultdict(lambda: [None])  # by kind, from 1
        self.last = collections.Counter()
        self.tasks = set()

    def ref(self, fields, kind):
        return self.defined[kind][fields.number()]  # one that is not defined is an error

    def string(self, fields):
        return self.ref(fields, "string")

    def difference(self, fields, row):
        self.last[row] = (self.last[row] + fields.signed()) % (1 << 64)
        return self.last[row]

    def task(self, f):
        f.numbers(3), self.ref(f, "cgroup"), f.numbers(3)
        task = {"comm": self.string(f), "user": self.string(f)}
        if f.number():
            f.signed()
        if f.number():
            task["exe"] = self.string(f)
            task["words"] = [self.string(f) for _ in range(f.number() - 1)]
            task["ancestors"] = [(f.number(), self.string(f)) for _ in range(f.number())]
        self.tasks.add(f"{task['comm']} of {task['user']}")
        return task

    def shape(self, f):
        f.numbers(3), f.signed(), f.numbers(6), self.ref(f, "netns"), f.numbers(2)
        return True

    def socket(self, f):
        self.ref(f, "shape"), self.difference(f, "cookie"), self.difference(f, "inode"), self.ref(f, "cgroup")
        return [(self.string(f), f.number()) for _ in ("local", "remote")]

    def holder(self, f):
        ends = self.socket(f)
        f.numbers(3)
        bits = f.number()
        tasks = [self.ref(f, "task") for _ in range(3)]
        if bits & 16:
            f.signed()
        self.ref(f, "container"), f.part(lambda p: (p.numbers(2), self.string(p), p.number(), self.string(p)))
        return ends, tasks

    def addresses(self, f):
        return [(self.string(f), f.number(), self.string(f)) for _ in range(f.number())]

    def event(self, f):
        self.difference(f, "time"), self.ref(f, "task"), self.socket(f), self.string(f), f.numbers(2)
        self.ref(f, "container")

    def refusal(self, f):
        self.socket(f), f.numbers(10)

    def range(self, f):
        f.number(), [(f.number(), self.string(f), self.ref(f, "task")) for _ in range(f.number())], f.number()

    def failure(self, f):
        f.part(self.event), f.part(self.refusal)
        for _ in range(f.number()):
            f.part(self.holder)
        f.part(self.range), f.part(self.addresses)

    def warning(self, f):
        self.difference(f, "time"), f.number(), f.part(self.holder), f.numbers(4), self.string(f)
        for _ in range(f.number()):
            f.number(), self.string(f)
        self.string(f), self.string(f), f.number(), f.bytes(), f.bytes(), f.numbers(2)

    def record(self, kind, f):
        takers = {
            2: ("cgroup", lambda: (f.number(), self.string(f))),
            3: ("netns", lambda: (f.number(), self.string(f))),
            4: ("task", lambda: self.task(f)),
            5: ("shape", lambda: self.shape(f)),
            6: ("clock", f.signed),
            7: ("container", lambda: (f.number(), [self.string(f) for _ in range(8)])),
            16: ("meta", lambda: (self.difference(f, "time"), [f.bytes() for _ in range(4)],
                                  [f.bytes() for _ in range(f.number())])),
            17: ("host", lambda: (f.bytes(), f.bytes())),
            18: ("netns facts", lambda: (self.ref(f, "netns"), [(f.bytes(), f.bytes()) for _ in range(f.number())],
                                         f.part(self.addresses))),
            19: ("holders", lambda: (self.difference(f, "time"), f.numbers(2))),
            20: ("held", lambda: (f.part(self.holder), f.number())),
            32: ("event", lambda: self.event(f)),
            33: ("failure", lambda: self.failure(f)),
            34: ("loss", lambda: (self.difference(f, "time"), f.numbers(2))),
            35: ("warning", lambda: self.warning(f)),
            48: ("end", lambda: (f.numbers(4), self.difference(f, "time"))),
        }
        if kind == 1:
            self.defined["string"].append(f.data)
            return "string"
        name, take = takers[kind]
        value = take()
        f.must_end()
        if kind < 16:
            self.defined[name].append(value)
        return name


def main():
    data = open(sys.argv[1], "rb").read()
    at, counts, tasks = 0, collections.Counter(), set()
    while at < len(data):
        magic, major, _, _, compression, *_, stored, raw, count, _ = HEADER.unpack_from(data, at)
        assert (magic, major) == (MAGIC, 1), at
        payload = data[at + HEADER.size:at + HEADER.size + stored]
        at += HEADER.size + stored
        if compression == 1:
            unpacked = ctypes.create_string_buffer(raw)
            assert zstd.ZSTD_decompress(unpacked, raw, payload, stored) == raw
            payload = unpacked.raw
        records, block, seen = Fields(payload), Block(), 0
        while records.at < len(payload):
            kind = records.number()
            counts[block.record(kind, Fields(records.bytes()))] += 1
            seen += 1
        assert seen == count, (seen, count)
        tasks |= block.tasks
    print(json.dumps({**counts, "tasks": sorted(tasks)}))


main()

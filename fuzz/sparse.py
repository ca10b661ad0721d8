#!/usr/bin/env python3
"""Makes a seed of an image: what is not zeros, as fuzz/src/sparse.rs reads it.

usage: fuzz/sparse.py IMAGE [OFFSET:LENGTH…] > SEED

Parts that are given are left out, such as the copies of what is there.
"""

import struct
import sys

# Shorter runs of zeros cost more to leave out than to keep.
GAP = 8


def main():
    image = open(sys.argv[1], "rb").read()
    data = bytearray(image)
    for part in sys.argv[2:]:
        offset, length = (int(number, 0) for number in part.split(":"))
        data[offset : offset + length] = bytes(len(data[offset : offset + length]))
    out = [struct.pack("<I", len(data) // 1024)]
    at = 0
    while at < len(data):
        if not any(data[at : at + 65536]):
            at += 65536
            continue
        if not any(data[at : at + 8]):
            at += 8
            continue
        end = at
        while end < len(data) and end - at < 65528 and any(data[end : end + GAP]):
            end += 8
        run = bytes(data[at:end]).rstrip(b"\0")
        out.append(struct.pack("<IH", at // 8, len(run)) + run)
        at = end
    sys.stdout.buffer.write(b"".join(out))


main()

#!/usr/bin/env python3
"""Writes how the standard tokenizer library splits and encodes every code point.

    tests/golden/code_points.py TOKENIZER.json >tests/golden/code_points.txt

A line for each block of 4,096 code points: its first one, then two hashes (64-bit FNV-1a) over
the text LINES makes of each of them: of the words' lengths in bytes, and of the ids, 4 bytes
each, little-endian.  With --categories: NAME, how many, hash of the code points, for each
general category.  Needs the package tokenizers (0.23.3 has Unicode 16).
"""
import struct
import sys

from tokenizers import Regex, Tokenizer, pre_tokenizers

LINES = "{0}\na{0}b\n {0}!\n-{0}\n1{0}2\n{0} {0}\n"
BLOCK = 4096
CATEGORIES = ("Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So "
              "Zs Zl Zp Cc Cf Co Cn").split()


def fnv(numbers):
    h = 0xCBF29CE484222325
    for byte in b"".join(struct.pack("<I", n) for n in numbers):
        h = (h ^ byte) * 0x100000001B3 % (1 << 64)
    return h


def characters(first, n):
    return [chr(c) for c in range(first, first + n) if not 0xD800 <= c <= 0xDFFF]


def blocks(path):
    tokenizer = Tokenizer.from_file(path)
    tokenizer.encode_special_tokens = True
    for first in range(0, 0x110000, BLOCK):
        text = "".join(LINES.format(c) for c in characters(first, BLOCK))
        words = tokenizer.pre_tokenizer.pre_tokenize_str(text)
        # A byte is one character of the byte-level alphabet.
        print("%06x %016x %016x" % (first, fnv(len(word) for word, _ in words),
                                    fnv(tokenizer.encode(text, add_special_tokens=False).ids)))


def categories():
    for name in CATEGORIES:
        others = pre_tokenizers.Split(Regex("\\P{%s}" % name), "removed")
        members = []
        for first in range(0, 0x110000, BLOCK):
            text = "".join(characters(first, BLOCK))
            members += [ord(c) for word, _ in others.pre_tokenize_str(text) for c in word]
        print('%s %d %016x' % (name, len(members), fnv(members)))


if sys.argv[1] == "--categories":
    categories()
else:
    blocks(sys.argv[1])

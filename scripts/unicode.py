#!/usr/bin/env python3
"""Writes the table of general categories that the tokenizer splits by.

    scripts/unicode.py >engine/text/unicode_runs.c

The version is part of what the models were trained with, so it is pinned: Python 3.14 has it
built in, others take the package unicodedata2, version 16.0.0.
"""
import sys

try:
    import unicodedata2 as unicodedata
except ImportError:
    import unicodedata

VERSION = "16.0.0"
# In the order of enum unicode_category.
CATEGORIES = ("Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So "
              "Zs Zl Zp Cc Cf Cs Co Cn Cw").split()
WHITE_CONTROLS = (0x9, 0xA, 0xB, 0xC, 0xD, 0x85)
PER_LINE = 8

HEAD = """\
/*
 * The general category of every character of Unicode %s, as runs; see unicode.h.
 * Made by scripts/unicode.py.
 */
#include "engine/text/unicode.h"

/* first character << UNICODE_RUN_SHIFT | category */
const uint32_t unicode_runs[] = {
"""


def category(cp):
    name = "Cw" if cp in WHITE_CONTROLS else unicodedata.category(chr(cp))
    return CATEGORIES.index(name)


def main():
    if unicodedata.unidata_version != VERSION:
        sys.exit("%s: this Python knows Unicode %s, expected %s"
                 % (sys.argv[0], unicodedata.unidata_version, VERSION))
    runs, last = [], None
    for cp in range(0x110000):
        if category(cp) != last:
            last = category(cp)
            runs.append("0x%07x," % (cp << 5 | last))
    lines = ("\t" + " ".join(runs[i:i + PER_LINE]) for i in range(0, len(runs), PER_LINE))
    sys.stdout.write(HEAD % VERSION + "\n".join(lines) + "\n};\n\n"
                     "const size_t unicode_n_runs = sizeof(unicode_runs) / sizeof(*unicode_runs);\n")


main()

#!/bin/sh
# Every source file opens with a comment that says what it is for.
#
# Usage: opening.sh [ROOT].  Prints each file that does not; fails if there is one.
set -u
cd "${1:-.}" || exit 1

find app tui history engine kernels tests -type f \( -name '*.[ch]' -o -name '*.cu' -o -name '*.cuh' \) | sort |
xargs awk '
FNR == 1 && !/^\/[*\/]/ {
    printf "%s:1: opens with \"%s\", expected a comment: what the file is for\n", FILENAME, $0
    failed = 1
}
END { exit failed }
'

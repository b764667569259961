#!/bin/sh
# cppcheck over the folders named.  It does not read jansson's header, so jansson.cfg tells it
# what the loops of that library are: without that it gives up on every file that has one.
set -u
exec cppcheck -q --std=c11 --enable=warning,performance,portability --inline-suppr \
    --error-exitcode=1 -I . -D_GNU_SOURCE --library="$(dirname "$0")/jansson.cfg" "$@"

#!/bin/sh
# Who may include whom: the edges between folders, and only through public headers.
#
# Usage: includes.sh [ROOT].  Prints each include that breaks a rule; fails if there is one.
set -u
cd "${1:-.}" || exit 1

find app tui history engine kernels -name '*.[ch]' -type f | sort | xargs awk '
BEGIN {
    # folder: folders whose public headers it may include, besides its own files
    edge["app"] = "tui history engine engine/base"
    edge["tui"] = "engine/base"
    edge["history"] = "engine/base"
    edge["engine"] = "kernels engine/base"
    edge["engine/base"] = ""
    edge["kernels"] = "engine/base"
    edge["kernels/cpu"] = "kernels engine/base"

    public["tui"] = "tui.h"
    public["history"] = "history.h"
    # engine.h and event.h, and what these are made of
    public["engine"] = "engine.h event.h chat.h logits.h"
    public["kernels"] = "backend.h ops.h"
}
function has(list, word) { return index(" " list " ", " " word " ") > 0 }
function folder_of(path) { sub("/[^/]*$", "", path); return path }
/^[ \t]*#[ \t]*include[ \t]*"/ {
    split($0, part, "\"")
    target = part[2]
    from = folder_of(FILENAME)
    if (target !~ "/") {
        # Without a folder: only what the build generates (build/VARIANT/gen).
        if ((getline line < (from "/" target)) >= 0)
            bad(target, "expected with its folder: \"" from "/" target "\"")
        next
    }
    to = folder_of(target)
    if (to == from)
        next
    if (!(from in edge))
        bad(target, "folder " from " has no rule")
    else if (!has(edge[from], to))
        bad(target, from " may not include " to)
    else if (to in public && !has(public[to], substr(target, length(to) + 2)))
        bad(target, "not a public header of " to)
}
function bad(target, why) {
    printf "%s:%d: includes %s: %s\n", FILENAME, FNR, target, why
    failed = 1
}
END { exit failed }
'

#!/bin/sh
# Who may include whom: the edges between rooms, and only through public headers.
#
# Usage: includes.sh [ROOT].  Prints each include that breaks a rule; fails if there is one.
set -u
cd "${1:-.}" || exit 1

find app tui history engine kernels \( -name '*.[ch]' -o -name '*.cu' -o -name '*.cuh' \) -type f | sort | xargs awk '
BEGIN {
    # room, or one file of it: rooms whose headers it may include, besides its own files
    ground = "tui history engine engine/base"
    edge["app"] = "app/tools engine/store " ground
    edge["app/main.c"] = "app app/line app/screen app/tools app/verb " ground
    edge["app/talk"] = "app " ground
    edge["app/cmd"] = "app app/talk " ground
    edge["app/agent"] = "app app/talk app/tools " ground
    edge["app/line"] = "app app/agent app/cmd app/talk app/tools " ground
    edge["app/screen"] = "app app/agent app/cmd app/talk app/tools " ground
    edge["app/verb"] = "app app/talk app/tools engine/measure engine/store engine/text " ground
    edge["app/tools"] = "engine/base"
    edge["tui"] = "engine/base"
    edge["history"] = "engine/base"
    edge["engine"] = "engine/base"
    edge["engine/base"] = ""
    edge["engine/checkpoint"] = "kernels engine engine/base"
    edge["engine/pass"] = "engine/checkpoint kernels/comm " edge["engine/checkpoint"]
    edge["engine/store"] = "engine engine/base"
    edge["engine/text"] = "engine/checkpoint engine engine/base"
    edge["engine/cache"] = "engine/store engine/pass engine/text " edge["engine/pass"]
    edge["engine/measure"] = "engine/cache " edge["engine/cache"]
    edge["engine/session"] = "engine/measure " edge["engine/measure"]
    edge["engine/scripted"] = "engine/session engine/text engine engine/base"
    edge["kernels"] = "engine/base"
    edge["kernels/comm"] = "kernels engine/base"
    edge["kernels/cpu"] = "kernels kernels/comm engine/base"
    edge["kernels/cuda"] = "kernels kernels/comm engine/base"

    public["app/agent"] = "agent.h undo.h"
    public["app/tools"] = "tools.h rules.h reads.h undo.h changed.h"
    public["tui"] = "tui.h"
    public["history"] = "history.h"
    # engine.h and event.h, and what these are made of
    public["engine"] = "engine.h event.h chat.h"
    public["kernels"] = "backend.h ops.h noise.h"
    public["engine/store"] = "kvdir.h kvfile.h"
    # to the verbs that measure, and that show what the model reads
    public["engine/measure"] = "bench.h logits.h score.h survey.h"
    public["engine/text"] = "dsml.h prompt.h prompt_json.h tokenizer.h tokens.h"
}
function has(list, word) { return index(" " list " ", " " word " ") > 0 }
function folder_of(path) { sub("/[^/]*$", "", path); return path }
function house(path) { sub("/.*$", "", path); return path }
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
    if (FILENAME in edge)
        from = FILENAME
    if (!(from in edge))
        bad(target, "room " from " has no rule")
    else if (!has(edge[from], to))
        bad(target, from " may not include " to)
    else if (to in public && !has(public[to], substr(target, length(to) + 2)) &&
             (has("kernels app/agent app/tools", to) || house(from) != house(to)))
        bad(target, "not a public header of " to)
}
function bad(target, why) {
    printf "%s:%d: includes %s: %s\n", FILENAME, FNR, target, why
    failed = 1
}
END { exit failed }
'

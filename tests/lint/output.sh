#!/bin/sh
# Nothing reaches a terminal but by app/output.c, which filters, and by what draws the screen.
#
# Usage: output.sh [ROOT].  Prints each other way to stdout, stderr or a descriptor, and each
# getopt_long() that would print the words it was given; fails if there is one.
set -u
cd "${1:-.}" || exit 1

find app tui history engine kernels \( -name '*.[ch]' -o -name '*.cu' -o -name '*.cuh' \) -type f | sort | xargs awk '
BEGIN {
    # The way itself; the last words of a bug, which are constants; libedit, which echoes keys.
    stream["app/output.c"] = stream["engine/base/err.c"] = stream["app/line/lineinput.c"] = 1
    # The way itself and the screen; then files, pipes and event counters that are ours.
    split("app/output.c app/allowed.c tui/terminal.c tui/terminal_crash.c app/clipboard.c " \
          "app/inputs.c app/screen/draftfile.c app/signals.c engine/base/log.c engine/event.c " \
          "app/tools/confine.c app/tools/output.c app/tools/runner_file.c app/tools/sandbox.c " \
          "app/tools/sandbox_probe.c app/tools/sandbox_try.c app/tools/swap.c app/tools/warden.c app/tools/wire.c " \
          "engine/base/file.c engine/base/file.h engine/checkpoint/safetensors_write.c engine/store/kvfile.c " \
          "history/migrate.c", list, " ")
    for (i in list)
        writes[list[i]] = 1
    # What a person answers is read there, and nothing is written.
    reads["app/line/askuser.c"] = 1
    # What means colours and the cursor, beside literals.
    own["app/output.c"] = own["app/output.h"] = own["app/line/show.c"] = own["app/line/lineinput.c"] = 1
}
FNR == 1 { comment = 0 }
{
    line = $0
    if (comment) {
        if (!sub(/^.*\*\//, "", line))
            next
        comment = 0
    }
    literal = line
    gsub(/\\./, "", line)
    gsub(/"[^"]*"/, "\"\"", line)
    gsub(/\/\*.*\*\//, "", line)
    sub(/\/\/.*$/, "", line)
    if (sub(/\/\*.*$/, "", line))
        comment = 1
    if (line ~ /(^|[^A-Za-z0-9_])(v?printf|v?dprintf|puts|putchar|perror|psignal|v?warnx?|v?errx?|putp|tputs|vidputs)[ \t]*\(/)
        bad("prints past app/output.h")
    if (line ~ /(^|[^A-Za-z0-9_])(stdout|stderr)([^A-Za-z0-9_]|$)/ && !(FILENAME in stream))
        bad("uses a stream of stdio that may be a terminal")
    if (line ~ /(^|[^A-Za-z0-9_.>])(write|writev|pwrite|file_write_all)[ \t]*\(/ && !(FILENAME in writes))
        bad("writes to a descriptor")
    if (line ~ /output_own[ \t]*\([^,]*,[ \t]*[^" \t]/ && !(FILENAME in own))
        bad("output_own() takes a literal")
    if (literal ~ /"\/dev\/(tty|stdout|stderr|fd)|_PATH_TTY/ && !(FILENAME in reads && literal ~ /O_RDONLY/))
        bad("opens a terminal")
    if (line ~ /opterr[ \t]*=[ \t]*0/)
        quiet[FILENAME] = 1
    if (line ~ /getopt(_long)?(_only)?[ \t]*\(/)
        options[FILENAME] = FNR
}
function bad(why) {
    printf "%s:%d: %s\n", FILENAME, FNR, why
    failed = 1
}
END {
    for (f in options) {
        if (!(f in quiet)) {
            printf "%s:%d: getopt prints what it was given: opterr = 0 expected\n", f, options[f]
            failed = 1
        }
    }
    exit failed
}
'

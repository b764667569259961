#!/bin/sh
# Every kernel of the CUDA backend calls kernel_begin() (kernels/cuda/device.cuh says why), at its
# outermost level, or a function that calls it behind the first loads of weights; and all are
# launched by launch_kernel().
#
# Usage: kernels.sh [ROOT].  Prints each place where that is not so; fails if there is one.
set -u
cd "${1:-.}" || exit 1

find kernels/cuda -type f \( -name '*.cu' -o -name '*.cuh' \) | sort |
xargs awk '
function bad(at, what) { printf "%s: %s\n", at, what; failed = 1 }
# The name that a definition gives: what stands before its parameters.
function name_of(head) {
    gsub(/__launch_bounds__\([^)]*\)/, "", head)
    sub(/\(.*/, "", head)
    gsub(/[ \t]+$/, "", head)
    sub(/.*[ \t*]/, "", head)
    return head
}
FNR == 1 { head = ""; inside = "" }
/<<</ { bad(FILENAME ":" FNR, "a launch without launch_kernel()") }
/^\{/ {
    inside = ++n_def
    name[inside] = name_of(head)
    is_kernel[inside] = head ~ /__global__/
    where[inside] = FILENAME ":" at
    n += is_kernel[inside]
    next
}
/^\}/ { inside = head = ""; next }
inside == "" {
    if (/^(#|\/\*| \*|$)/) { head = ""; next }
    if (head == "") at = FNR
    head = head " " $0
    if (/;$/) head = ""
    next
}
{
    if (/^\tkernel_begin\(\);/ || (!is_kernel[inside] && /kernel_begin\(\);/)) begins[inside] = 1
    text[inside] = text[inside] " " $0
}
END {
    for (i = 1; i <= n_def; i++)
        if (begins[i]) does[name[i]] = 1
    do {
        more = 0
        for (i = 1; i <= n_def; i++) {
            n_word = begins[i] ? 0 : split(text[i], word, /[^A-Za-z0-9_]+/)
            for (k = 1; k <= n_word && !begins[i]; k++)
                if (word[k] in does) begins[i] = does[name[i]] = more = 1
        }
    } while (more)
    for (i = 1; i <= n_def; i++)
        if (is_kernel[i] && !begins[i]) bad(where[i], "a kernel without kernel_begin()")
    if (!n) { print "kernels.sh: no kernels"; failed = 1 }
    exit failed
}
'

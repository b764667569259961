#!/bin/sh
# Every kernel of the CUDA backend begins with kernel_begin() (kernels/cuda/device.cuh says why),
# or is a frame around rows_block(), whose product() calls it behind the first loads of weights;
# and all are launched by launch_kernel().
#
# Usage: kernels.sh [ROOT].  Prints each place where that is not so; fails if there is one.
set -u
cd "${1:-.}" || exit 1

find kernels/cuda -type f \( -name '*.cu' -o -name '*.cuh' \) | sort |
xargs awk '
function bad(line, what) { printf "%s:%d: %s\n", FILENAME, line, what; failed = 1 }
FNR == 1 { state = "" }
/<<</ { bad(FNR, "a launch without launch_kernel()") }
/__global__/ { state = "head"; at = FNR; n++ }
state == "first" { state = /^\tkernel_begin\(\);/ ? "" : "late" }
state == "head" && /^\{/ { state = "first" }
state == "late" && /rows_block</ { state = "" }
state == "late" && /^\}/ { bad(at, "a kernel that does not begin with kernel_begin()"); state = "" }
/kernel_begin\(\);/ && FILENAME ~ /product\.cuh$/ { product = 1 }
END {
    if (!n || !product) { print "kernels.sh: no kernels, or no kernel_begin() in product()"; failed = 1 }
    exit failed
}
'

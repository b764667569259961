#!/bin/sh
# Brings the libraries that the kit's programs need into it, and looks that it is whole and no
# larger than it may be: bundle.sh KIT BYTES
set -eu
kit=$1 most=$2

# Of the C library and the loader, those of the machine serve.
own='/(libc|libm|libdl|librt|libpthread|libutil|libresolv|ld-linux[^/]*)\.so'

mkdir -p "$kit/lib"
for program in "$kit"/bin/*; do
    LD_LIBRARY_PATH='' ldd "$program"
done | awk '$2 == "=>" && $3 ~ /^\// { print $3 }' | grep -Ev "$own" | grep -v "^$kit/" | sort -u |
    while read -r library; do
        case $library in
        */gpu-kit/lib/*) continue ;; # brought before
        esac
        cp -L "$library" "$kit/lib/"
        strip "$kit/lib/$(basename "$library")" 2>/dev/null || true
    done

bytes=$(du -sb "$kit" | cut -f 1)
echo "$kit: $bytes bytes"
[ "$bytes" -le "$most" ] || {
    echo "$kit: $bytes bytes, expected at most $most" >&2
    exit 1
}

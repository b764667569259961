#!/bin/sh
# Brings the libraries that programs need to them: bundle.sh FOLDER, with FOLDER/bin and
# FOLDER/lib.  Of the C library and the loader, those of the machine serve.  The terminal that the
# screen is tried on comes along.
set -eu
folder=$1
own='/(libc|libm|libdl|librt|libpthread|libutil|libresolv|ld-linux[^/]*)\.so'

mkdir -p "$folder/lib"
rm -f "$folder"/lib/*.so*
for program in "$folder"/bin/*; do
    LD_LIBRARY_PATH='' ldd "$program"
done | awk '$2 == "=>" && $3 ~ /^\// { print $3 }' | grep -Ev "$own" | sort -u |
    while read -r library; do
        strip -o "$folder/lib/$(basename "$library")" "$library"
    done
for terminals in /etc/terminfo /lib/terminfo /usr/share/terminfo; do
    if [ -e "$terminals/x/xterm" ]; then
        mkdir -p "$folder/lib/terminfo/x"
        cp -L "$terminals/x/xterm" "$folder/lib/terminfo/x/xterm"
        break
    fi
done

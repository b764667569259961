#!/bin/sh
# The tools of files: paths that lead out, files that are none, and files that change meanwhile.
. "$(dirname "$0")/lib.sh"

json() { printf '{"path": "%s"%s}' "$1" "${2:-}"; }
writes() { json "$1" ', "content": "planted"'; }
edits() { json "$1" ', "old": "canary", "new": "planted"'; }
refused() { [ $rc = 1 ] || fail "not refused"; }

# Out of the workspace: by name, by a link, in each tool
ln -s "$BASE/outside" src/link
ln -s "$BASE/outside/canary" src/file
ln -s /proc/self/root src/root
for p in ../canary ../../outside/canary "$BASE/outside/canary" src/link/canary src/file \
    "src/../../canary" "~/canary" "src/root$BASE/outside/canary" /etc/shadow /proc/self/environ \
    "src/link/../outside/canary"; do
    run 1 read_file "$(json "$p")"
    refused
    silent canary$
    run 1 edit_file "$(edits "$p")"
    refused
    run 1 write_file "$(writes "$p")"
    refused
done
for p in .. src/link / '~'; do
    run 1 list_files "$(json "$p")"
    silent 'canary'
    run 1 search_files "$(json "$p" ', "pattern": "canary"')"
    refused
done
run 1 search_files '{"pattern": "^canary"}'
silent canary

# No files: none of these may be waited for
mkfifo src/fifo
"$BASE/attack" serve "$BASE" src/socket &
server=$!
stop() { kill $server 2>/dev/null; }
for p in src/fifo src/socket /dev/zero /dev/tty src; do
    began=$(date +%s)
    run 1 read_file "$(json "$p")"
    refused
    run 1 edit_file "$(edits "$p")"
    refused
    [ $(($(date +%s) - began)) -le 5 ] || fail "took long: $p"
done

# Another name of a file outside: the content goes to this name alone
if ln "$home/canary" src/hard 2>/dev/null; then
    look >"$BASE/before"
    run 1 edit_file "$(edits src/hard)"
    [ $rc = 0 ] || fail "a hard link cannot be edited"
    [ "$(cat src/hard)" = planted ] || fail "not edited"
    rm src/hard
    look >"$BASE/before"
fi

# Modes: none that runs as its owner is kept, or made
echo canary >src/mode
chmod 4755 src/mode
run 1 edit_file "$(edits src/mode)"
[ -z "$(find src/mode -perm /6000)" ] || fail "setuid is kept"

# Between agreement and writing: replaced by a link, by another file, its folder by a link
swapped() { # PATH, with $BEFORE_APPLY
    run 1 edit_file "$(edits "$1")"
    refused
    silent 'replaced 1'
}
# What the swapping itself adds outside is no change of the tool's.
edit_moved() {
    ln -s canary "$BASE/outside/f"
    look >"$BASE/before"
    swapped src/dir/f
}
mkdir src/dir
fresh() {
    rm -rf src/dir src/dir2
    mkdir -p src/dir
    echo canary >src/dir/f
}
fresh
BEFORE_APPLY="ln -sf $BASE/outside/canary src/dir/f" swapped src/dir/f
fresh
BEFORE_APPLY="echo canary more >src/dir/f" swapped src/dir/f
fresh
BEFORE_APPLY="mv src/dir src/dir2 && ln -s $BASE/outside src/dir " \
    edit_moved
rm -f "$BASE/outside/f"
look >"$BASE/before"
fresh
export BEFORE_APPLY="mv src/dir src/dir2 && mkdir src/dir && echo canary >src/dir/f"
swapped src/dir/f
unset BEFORE_APPLY

# In a loop, as fast as it goes: whoever wins, the one outside stays as it is
(while [ -e "$BASE/swap" ] || [ ! -e "$BASE/end" ]; do
    ln -sfn "$BASE/outside" src/now
    rm -f src/now
    mkdir src/now 2>/dev/null && echo canary >src/now/canary
    rm -rf src/now
done) 2>/dev/null &
swapper=$!
stop() {
    rm -f "$BASE/swap"
    touch "$BASE/end"
    kill $server 2>/dev/null
    wait $swapper
}
touch "$BASE/swap"
for _ in 1 2 3 4 5 6 7 8 9 10 11 12; do
    run 1 edit_file "$(edits src/now/canary)"
    run 1 write_file "$(writes src/now/made)"
    absent "$BASE/outside/made"
done
rm "$BASE/swap"
touch "$BASE/end"

# What is judged is what runs
run 1 read_file '{"path": "src/mode", "path": "../canary"}'
refused
run 1 shell_ '{"command": "true"}'
refused

# The workspace itself becomes a link
mv "$ws" "$home/moved"
ln -s "$BASE/outside" "$ws"
look >"$BASE/before"
(cd "$home/moved" && "$BASE/run" "$layer" 1 "$home/moved" list_files '{}' >/dev/null) || fail "moved"
BEFORE_APPLY="mv $home/moved $home/gone && ln -s $BASE/outside $home/moved" \
    "$BASE/run" "$layer" 1 "$home/moved" write_file '{"path": "made", "content": "x"}' >"$out" 2>&1
says 'the workspace was replaced'
absent "$BASE/outside/made"
exit $failed

#!/bin/sh
# What lies outside of the workspace, and what is hidden: written, read, uncovered.
. "$(dirname "$0")/lib.sh"

works 'echo x > src/made && mkdir -p src/d && mv src/made src/d/ && rm -r src/d'

# Writing
try 'echo x >/etc/dsv4chat-hostile' 'echo x >"$HOME/made"' 'echo x >../made' \
    "echo x >>'$BASE/outside/canary'" "rm '$BASE/outside/canary'" "mv '$HOME/canary' src/" \
    "ln '$BASE/outside/canary' src/hard" 'mkdir ../made' 'rmdir ../../outside' \
    "mv src '$BASE/outside/'" 'echo x >/usr/made' 'cd / && echo x >made'
ln -s "$BASE/outside" src/link
try 'echo x >src/link/made' 'echo x >>src/link/canary' 'rm src/link/canary'
absent "$BASE/outside/made"

# Modes, owners, times, attributes, length
try "src/attack attributes '$BASE/outside/canary'" "src/attack attributes '$HOME/canary'" \
    "chmod 777 '$HOME'"

# Mounting over what covers it
try 'src/attack mounts' "src/attack unmounts '$HOME/.ssh'" "src/attack unmounts '$ws'" \
    'src/attack unmounts /tmp' 'mount -o remount,rw /' 'mount -o remount,bind,rw /' \
    "umount '$HOME/.ssh'"

# Secrets: none may be in what the model is told
echo secret-2 >src/.env
mkdir src/more
echo secret-3 >src/more/server.key
ln -s "$HOME/.ssh/id_ed25519" src/plain
mkdir -p "$BASE/dots/gh" "$BASE/own"
ln -s "$BASE/dots" "$HOME/.config"
echo secret-4 >"$HOME/.config/gh/hosts.yml"
echo secret-5 >"$BASE/own/history.db"
look >"$BASE/before"
export OWN_FOLDER="$BASE/own"
SECRET_TOKEN=secret-6 run 1 shell "cat src/.env src/more/* src/plain ~/.ssh/* ~/.config/gh/* \
    '$BASE/own/history.db' /etc/shadow; cp src/.env src/copy; cat src/copy; env; \
    mv src/more src/less; cat src/less/*; grep -r 'secre[t]-' . ~ '$BASE/own' 2>/dev/null; \
    grep -a 'secre[t]-' /proc/[0-9]*/environ /proc/1/root\$HOME/.ssh/* 2>/dev/null; true"
silent secret-
silent root:
run 1 search_files '{"pattern": "secret-"}'
silent secret-
run 1 read_file '{"path": "src/.env"}'
silent secret-
# The program's own folders are not written, either
try "echo x >'$BASE/own/history.db'" "echo x >'$BASE/own/rules'" "rm -r '$BASE/own'"
[ "$(cat "$BASE/own/history.db")" = secret-5 ] || fail "the history was changed"

# Shared memory
if [ -w /dev/shm ]; then
    echo canary >"/dev/shm/dsv4chat-hostile-$$"
    try "cat /dev/shm/dsv4chat-hostile-$$"
    run 1 shell "echo x >/dev/shm/dsv4chat-hostile-$$; true"
    [ "$(cat "/dev/shm/dsv4chat-hostile-$$")" = canary ] || fail "/dev/shm was changed"
    rm "/dev/shm/dsv4chat-hostile-$$"
fi

# A file that runs as its owner
try 'src/attack setuid src/setuid' 'cp /bin/true src/t && chmod u+s src/t' \
    'cp /bin/true src/t2 && chmod 6755 src/t2'
exit $failed

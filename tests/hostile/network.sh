#!/bin/sh
# The network, and sockets of this machine.
. "$(dirname "$0")/lib.sh"

"$BASE/attack" serve "$BASE" "$BASE/outside/socket" &
server=$!
stop() {
    kill $server 2>/dev/null
    wait $server 2>/dev/null
    ipcrm -M "${KEY:-0}" 2>/dev/null
}
for _ in 1 2 3 4 5 6 7 8 9 10; do
    [ -s "$BASE/served" ] && break
    sleep 0.2
done
eval "$(cat "$BASE/served")"
look >"$BASE/before"
mkfifo src/p # a folder of its own for the socket that lies in the workspace
cp -a "$BASE/outside/socket" src/copy 2>/dev/null

try "src/attack tcp $TCP" "src/attack tcp6 $TCP6" "src/attack udp $UDP" \
    "src/attack abstract $ABSTRACT" "src/attack path '$BASE/outside/socket'" \
    'src/attack vsock' 'src/attack packet' 'src/attack high-family' 'src/attack audit' \
    "src/attack shared-memory $KEY" \
    "exec 3<>/dev/tcp/127.0.0.1/$TCP" "echo x >/dev/udp/127.0.0.1/$UDP && false"
sleep 0.2
absent "$BASE/heard"

# The usual ones, where this machine has them
for s in /run/docker.sock /var/run/docker.sock /run/dbus/system_bus_socket \
    /run/systemd/private /run/user/*/bus "${SSH_AUTH_SOCK:-/nowhere}"; do
    try "src/attack path '$s'"
done

# With the network: that one, and no other way to this machine
run 5 shell "src/attack tcp $TCP && echo REACHED"
says REACHED
GRADE=5 try "src/attack abstract $ABSTRACT" "src/attack path '$BASE/outside/socket'" \
    'src/attack vsock' 'src/attack packet'
sleep 0.2
[ "$(sort -u "$BASE/heard")" = tcp ] || { cp "$BASE/heard" "$out"; fail "heard of more than TCP"; }
exit $failed

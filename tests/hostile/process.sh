#!/bin/sh
# Processes outside, descriptors, and commands that do not want to end.
. "$(dirname "$0")/lib.sh"

# Somebody else's, of the same user, as long as this test
sleep 1000 &
other=$!
stop() { kill $other 2>/dev/null; }
chat=$$
for p in $other $chat; do
    try "src/attack looks-into $p" "src/attack traces $p"
    [ "$layer" = landlock ] || try "src/attack kills $p"
done
try "kill -9 $other" "kill -9 $chat"
kill -0 $other || fail "a process outside was killed"

# What the caller has open
exec 9</ 8>"$BASE/out8"
try 'src/attack descriptors' 'echo x >&8' 'ls /proc/self/fd/9/etc' 'cd /proc/self/fd/9'
exec 9<&- 8>&-

# A terminal that is nobody's
try ': </dev/tty' 'echo x >/dev/tty' 'src/attack types'

# Ends: each is over in time, and nothing of it is left
mark=hostile-$$-$user
left() {
    ! cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' '\n' | grep -q "^$mark" ||
        fail "left over: $1"
}
soon() { # SECONDS COMMAND
    began=$(date +%s)
    TIMEOUT_MS=1000 run 1 shell "$2"
    took=$(($(date +%s) - began))
    [ $took -le "$1" ] || fail "took $took s: $2"
    left "$2"
}
soon 8 "(setsid bash -c '(exec -a $mark sleep 1000) & exit' &); echo on"
says on
soon 8 "(trap '' TERM HUP; exec -a $mark sleep 1000) & echo on"
soon 12 "trap '' TERM INT HUP; exec -a $mark bash -c 'trap \"\" TERM; while :; do sleep 0.1; done'"
soon 12 "bash -c 'exec -a $mark sleep 1000' | cat"
soon 12 "kill -STOP \$\$"
# (Where no namespace is around it, this would be the user's own session, if it got through.)
[ "$layer" = landlock ] || soon 12 "kill -9 -1; exec -a $mark sleep 1000"
soon 12 "kill -9 \$PPID; kill -9 1; exec -a $mark sleep 1000"
soon 12 'src/attack bomb 400; true'
# Root has no limit of processes, but for its time.
[ "$user" = root ] || soon 20 'src/attack bomb 3000 && echo THROUGH'
silent THROUGH

# Output without end, in lines and without, and files
soon 12 'yes'
[ "$(wc -c <"$out")" -lt 60000 ] || fail "a long result"
soon 12 'yes | tr -d "\n"'
[ "$(wc -c <"$out")" -lt 60000 ] || fail "a long result"
try 'truncate -s 100G src/large' 'head -c 1200000000 /dev/zero >src/large'
rm -f src/large

# What a terminal would act on does not reach one
esc=$(printf '\033')
run 1 shell "printf '\\033]52;c;eA==\\007\\033[2J\\033]0;title\\007\\033[201~\\233[2J\\033P1\\033\\\\text\\n'
touch src/\$'\\033[2Jname'"
silent "$esc"
says text
run 1 list_files '{"path": "src"}'
silent "$esc"
exit $failed

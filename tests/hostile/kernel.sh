#!/bin/sh
# The kernel's other ways in.
. "$(dirname "$0")/lib.sh"

try 'src/attack io_uring' 'src/attack keys' 'src/attack bpf' 'src/attack faults' \
    'src/attack handles' 'src/attack mounts' 'src/attack namespaces' 'src/attack calls x32' \
    'src/attack calls i386' 'unshare -Ur true' 'unshare -m true' 'nsenter -t 1 -m true' \
    'chroot / true' "mknod src/null c 1 3" "mknod src/sda b 8 0" 'dmesg -n 1' \
    ': >>/proc/sys/kernel/panic' ': >>/proc/sys/kernel/core_pattern' \
    ': >>/proc/sysrq-trigger' ': >>/proc/irq/default_smp_affinity' ': >>/sys/power/state' \
    'test -w /dev/sda' 'test -r /dev/mem' 'cat /dev/kmsg'
if [ -x /usr/bin/bwrap ]; then
    try 'bwrap --ro-bind / / true' 'bwrap --unshare-user --dev-bind / / true'
fi
# Capabilities: none, and none to be had
works 'test -r /usr/bin/env'
run 1 shell 'grep -h Cap /proc/self/status 2>/dev/null | grep -v "0000000000000000"; true'
silent Cap
exit $failed

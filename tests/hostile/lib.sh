# What the hostile tests share: SCRIPT LAYER USER, with the folder of `run` and `attack` in $HOSTILE,
# and, for whole sessions, the program in $DSV4CHAT_PROGRAM.
#
# LAYER is one of run's; USER is root, or nobody: who it is if not root.  Each attack has to fail
# and to leave all that lies outside of the workspace as it was.  Exits 0; 1: something got
# through; 77: the layer, or the user, is not to be had here.

set -u
layer=$1
user=$2
hostile=$(cd "$HOSTILE" && pwd) || exit 2

if [ "$user" = root ] && [ "$(id -u)" != 0 ]; then
    echo "skipped: not run by root"
    exit 77
fi

# What a test started, it ends here.
stop() { :; }
owns=
trap 'stop; [ -z "$owns" ] || rm -rf "$BASE"' EXIT

# A place that the user can get to, and that is no folder which a sandbox has its own of: what was
# made there would look as if it had been made outside.
as_nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups -- "$@"; }
if [ -z "${BASE:-}" ]; then
    case $hostile in /tmp/* | /var/tmp/* | /run/*)
        echo "skipped: $hostile is a place that the sandbox has its own of"
        exit 77
        ;;
    esac
    BASE=$(mktemp -d "$hostile/world.XXXXXX") || exit 2
    owns=1
    cp "$hostile/run" "$hostile/attack" "$BASE/" || exit 2
    chmod 755 "$BASE" "$BASE/run" "$BASE/attack"
    [ -z "${DSV4CHAT_PROGRAM:-}" ] || install -m 755 "$DSV4CHAT_PROGRAM" "$BASE/dsv4chat" || exit 2
    if [ "$user" = nobody ] && [ "$(id -u)" = 0 ]; then
        command -v setpriv >/dev/null || {
            echo "skipped: no setpriv(1)"
            exit 77
        }
        chown 65534:65534 "$BASE"
        as_nobody test -x "$BASE/run" || {
            echo "skipped: nobody cannot get to $hostile"
            exit 77
        }
        as_nobody env BASE="$BASE" sh "$0" "$@"
        exit
    fi
fi

home=$BASE/home
ws=$home/work
out=$BASE/out
failed=0
export HOME="$home"
export TMPDIR="$BASE/tmp"
mkdir -p "$home/.ssh" "$ws/src" "$BASE/outside" "$TMPDIR"
echo secret-1 >"$home/.ssh/id_ed25519"
echo canary >"$BASE/outside/canary"
echo canary >"$home/canary"
cp "$BASE/attack" "$ws/src/attack"
cd "$ws" || exit 2

# All that nothing may change.
look() {
    find "$BASE/outside" "$home" -path "$ws" -prune -o -printf '%p %y %m %U:%G %s %T@ %l\n' | sort
    cat "$BASE/outside/canary" "$home/canary"
}
look >"$BASE/before"

fail() {
    echo "FAIL: $*"
    sed 's/^/    | /' "$out"
    failed=1
}

# run GRADE TOOL ARGUMENTS: what the model is told is in $out; ends the test where there is no such
# layer.
run() {
    "$BASE/run" "$layer" "$1" "$ws" "$2" "$3" >"$out" 2>&1
    rc=$?
    # A layer that lets something pass is none to be used, and no reason to be content.
    if [ $rc = 77 ] && grep -q 'not refused' "$out"; then
        fail "$layer lets something pass"
        exit 1
    fi
    if [ $rc = 77 ]; then
        echo "skipped: $layer does not work here"
        cat "$out"
        exit 77
    fi
    [ $rc -lt 2 ] || fail "run ended with $rc"
    look >"$BASE/after"
    cmp -s "$BASE/before" "$BASE/after" || {
        fail "something outside changed: $3"
        diff "$BASE/before" "$BASE/after"
        look >"$BASE/before"
    }
}

# try COMMAND ...: each, in one go, as a command that may write the workspace; none may succeed.
try() {
    commands=
    for c in "$@"; do
        commands="$commands
( $c ) && echo \"THROUGH: $(echo "$c" | tr -d '"$`\\')\""
    done
    run "${GRADE:-1}" shell "$commands
true"
    ! grep -q THROUGH "$out" || fail "got through"
}

# One that has to work, or nothing else means anything.
works() {
    run "${GRADE:-1}" shell "$1"
    [ $rc = 0 ] || fail "does not work: $1"
}

# says TEXT, silent TEXT: does $out have it?
says() { grep -qF -- "$1" "$out" || fail "does not say: $1"; }
silent() { ! grep -qF -- "$1" "$out" || fail "says: $1"; }
there() { [ -e "$1" ] || [ -h "$1" ] || fail "is gone: $1"; }
absent() { { [ ! -e "$1" ] && [ ! -h "$1" ]; } || fail "is there: $1"; }
skip() { echo "skipped: $*"; }

#!/bin/sh
# Sees to the packages of scripts/packages: setup.sh [--check] KIND...
#
# What is missing is installed through apt where that may be done (root, or sudo); else the one
# command that would is printed.  --check never installs.  Fails while anything is missing.
set -u

here=$(dirname "$0")
check_only=0
if [ "${1:-}" = --check ]; then
    check_only=1
    shift
fi
kinds=" $* "

# Prints "NAME MIN FOUND PACKAGE" for each thing that is missing or too old.
missing() {
    while read -r kind how name min package; do
        case $kind in '' | '#'*) continue ;; esac
        case $kinds in *" $kind "*) ;; *) continue ;; esac
        found=none
        case $how in
        tool)
            command -v "$name" >/dev/null 2>&1 && continue
            ;;
        header)
            echo "#include <$name>" | ${CC:-gcc} -E -x c - >/dev/null 2>&1 && continue
            ;;
        pkg)
            if command -v pkg-config >/dev/null 2>&1; then
                pkg-config --atleast-version="$min" "$name" && continue
                found=$(pkg-config --modversion "$name" 2>/dev/null) || found=none
            fi
            ;;
        esac
        echo "$name $min $found $package"
    done <"$here/packages"
}

lacking=$(missing)
[ -z "$lacking" ] && exit 0
packages=$(echo "$lacking" | cut -d ' ' -f 4 | tr '\n' ' ' | sed 's/ $//')
install="apt-get install -y --no-install-recommends $packages"
quiet="env DEBIAN_FRONTEND=noninteractive"

explain() {
    echo "$lacking" | while read -r name min found package; do
        echo "  $name: found $found, expected $([ "$min" = - ] && echo any || echo "$min or later") (package $package)"
    done
}

if [ $check_only = 1 ]; then
    echo "Missing:" >&2
    explain >&2
    echo "This installs them: scripts/setup.sh$kinds" >&2
    exit 1
fi

sudo=
if [ "$(id -u)" != 0 ]; then
    # Without a terminal sudo may not ask.
    if ! command -v sudo >/dev/null 2>&1; then
        sudo=no
    elif sudo -n true 2>/dev/null; then
        sudo='sudo -n'
    elif [ -t 0 ]; then
        sudo=sudo
    else
        sudo=no
    fi
fi
if [ "$sudo" = no ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "These are missing, and cannot be installed from here:" >&2
    explain >&2
    echo "This installs them on Debian and Ubuntu; run it, then try again:" >&2
    echo "  sudo sh -c 'apt-get update && $install'" >&2
    exit 1
fi

echo "Installing: $packages"
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
# The lists of a fresh machine are empty, or too old to find a file by.
# shellcheck disable=SC2086 # these are words of a command
if ! $sudo $quiet $install >"$log" 2>&1; then
    if ! $sudo apt-get update >"$log" 2>&1 ||
        ! $sudo $quiet $install >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        echo "apt-get failed.  By hand: sudo sh -c 'apt-get update && $install'" >&2
        exit 1
    fi
fi
lacking=$(missing)
if [ -n "$lacking" ]; then
    echo "Still missing after the installation:" >&2
    explain >&2
    exit 1
fi

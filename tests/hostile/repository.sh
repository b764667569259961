#!/bin/sh
# Repositories, and what other programs are told by: changed, moved, planted.
. "$(dirname "$0")/lib.sh"

# What git would run if it were written
plant() { # FOLDER
    mkdir -p "$1/hooks" "$1/objects" "$1/refs" "$1/info"
    echo 'ref: refs/heads/main' >"$1/HEAD"
    printf '[core]\n\tbare = false\n' >"$1/config"
    echo '*.c' >"$1/info/attributes"
}
shape() { (cd "$1" && find . -printf '%p %y %m %s\n' | sort && cat HEAD config info/attributes); }
plant .git
plant src/sub/.git
shape .git >"$BASE/git"
shape src/sub/.git >"$BASE/sub"
same() {
    shape .git | cmp -s - "$BASE/git" || fail ".git was changed"
}

for g in .git src/sub/.git; do
    try "echo x >$g/hooks/post-commit" "echo x >>$g/config" "echo x >$g/config.worktree" \
        "echo x >$g/commondir" "mv $g g" "mv $g src/g" "rm -rf $g" "ln -sf /etc $g" \
        "chmod 777 $g/hooks && echo x >$g/hooks/pre-commit" "cp src/attack $g/hooks/post-merge" \
        "mkdir $g/new" "ln $g/config src/hard && echo x >>src/hard"
done
same
shape src/sub/.git | cmp -s - "$BASE/sub" || fail "src/sub/.git was changed"

# Other spellings of the name
try 'echo x >./.git/../.git/hooks/x' 'cd .git && echo x >hooks/x' 'echo x >".git"/config'
for p in .GIT/config .git./x ./.git/../.git/hooks/x '.git /x' src/sub/.git/config .hg/hgrc; do
    run 1 write_file "{\"path\": \"$p\", \"content\": \"x\"}"
    [ $rc = 1 ] || fail "written: $p"
    absent ".git/hooks/x"
done
same

# The folder above goes, and another comes in its place: both end up as they are to be
run 1 shell 'mv src/sub src/old; mkdir -p src/sub/.git/hooks; echo x >src/sub/.git/hooks/post-commit'
absent src/sub/.git/hooks/post-commit
if [ -e src/old ]; then
    says 'src/sub/.git is not a command'
    there src/sub/.git.from-sandbox-1/hooks/post-commit
    shape src/old/.git | cmp -s - "$BASE/sub" || fail "src/old/.git was changed"
fi

# New ones: as git makes it, it stays; with more in it, it does not
mkdir -p new
run 1 shell 'mkdir -p new/a new/b new/c new/d new/e
for i in a b c d e; do
    mkdir -p new/$i/.git/objects new/$i/.git/refs
    echo "ref: refs/heads/main" >new/$i/.git/HEAD
    printf "[core]\n\tbare = false\n" >new/$i/.git/config
done
mkdir new/b/.git/hooks; echo x >new/b/.git/hooks/post-checkout
printf "[core]\n\tfsmonitor = x\n" >new/c/.git/config
echo ../../.git >new/d/.git/commondir
rm -r new/e/.git; echo "gitdir: /somewhere" >new/e/.git'
there new/a/.git
for i in b c d e; do
    absent new/$i/.git
    there new/$i/.git.from-sandbox-1
done
# Where it would be hidden from who looks: behind a name, or a link, that hides what it is
mkdir hid
run 1 shell 'for d in hid/a hid/b.key hid/c; do mkdir -p $d/.git/hooks
    echo x >$d/.git/hooks/post-checkout; done
ln -s . hid/a/.env; mkdir hid/c/id_rsa; mv hid/c/.git hid/c/id_rsa/'
for d in hid/a hid/b.key hid/c/id_rsa; do
    absent $d/.git
    there $d/.git.from-sandbox-1
done
rm -rf hid
# … or among more than is looked through before, and deeper (the long form)
if [ -n "${DSV4CHAT_SLOW:-}" ]; then
    mkdir hid
    TIMEOUT_MS=60000 run 1 shell 'cd hid && for i in $(seq 40); do mkdir d && cd d; done
mkdir -p .git/hooks; echo x >.git/hooks/post-checkout; cd "${PWD%%/hid/*}/hid"; mkdir a; cd a; seq 210000 | xargs touch; cd ..
for i in $(seq 20); do mkdir -p b$i/.git/hooks; echo x >b$i/.git/hooks/post-checkout; done; echo MADE'
    says MADE
    [ -z "$(find hid -name .git)" ] || fail "one stays: $(find hid -name .git | head -n 1)"
    rm -rf hid
fi
mkdir out
run 1 shell 'mkdir -p out/.Vscode out/.claude out/.husky; echo x >out/.vscode/tasks.json
echo x >out/AGENTS.md; echo x >out/.envrc; echo x >out/.mcp.json; ln -s /etc out/.idea; true'
for n in .Vscode .claude .husky AGENTS.md .envrc .mcp.json .idea; do absent "out/$n"; done
echo '# mine' >src/AGENTS.md
mkdir -p src/.vscode
try 'echo x >>src/AGENTS.md' 'rm src/AGENTS.md' 'mv src/AGENTS.md src/x' 'echo x >src/.vscode/tasks.json'
[ "$(cat src/AGENTS.md)" = '# mine' ] || fail "AGENTS.md was changed"

# One that git's own rights can write: still not what runs, or tells it
cp "$BASE/git" "$out"
GRADE=3 try 'echo x >.git/hooks/post-commit' 'echo x >>.git/config' 'mv .git/hooks .git/h' \
    'echo x >.git/info/attributes' 'rm -rf .git/hooks'
absent .git/hooks/post-commit
GRADE=3 run 3 shell 'echo ../x >.git/commondir; echo x >.git/config.worktree; true'
absent .git/commondir
absent .git/config.worktree
rm -rf .git/*.from-sandbox-* .git/config
mv .git g
# In a folder without one: made at the top, it ends the command
run 1 shell 'mkdir .git && mkdir .git/hooks && echo x >.git/hooks/post-commit && sleep 5 && echo ON'
silent ON
absent .git
mkdir plain
run 1 shell 'mv plain .git && sleep 5 && echo ON'
silent ON
absent .git
exit $failed

#!/usr/bin/env bash
# Search a model with spin: run_model.sh holds|fails MODEL.pml [-DMACRO ...]
#   holds: all was searched, no error was found, and every SHOWN(...) was reached
#   fails: an assertion is violated (a mutant, or a design that is known to be wrong)
# Exits 0 when it is so, 77 when spin or gcc are not installed. From the environment: MEMORY_MB, DEPTH
# (the bounds of the search).
set -euo pipefail

memory_mb=${MEMORY_MB:-1400}
depth=${DEPTH:-2000}

die() {
    echo "run_model.sh: $1" >&2
    exit 1
}

[ $# -ge 2 ] || die "usage: run_model.sh holds|fails MODEL.pml [-DMACRO ...]"
expected=$1
model=$(realpath "$2")
shift 2
[ "$expected" = holds ] || [ "$expected" = fails ] || die "'$expected' is neither holds nor fails"
for tool in spin gcc; do
    command -v "$tool" >/dev/null || {
        echo "$tool is not installed: scripts/install-packages test"
        exit 77
    }
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
name=$(basename "$model")
cp "$model" "$name"
# -o3: no merging of statements, else reached ones are not told from others
spin -o3 "$@" -a "$name" >spin.log 2>&1 || true # its exit code does not tell errors
if [ ! -f pan.c ] || grep -q 'Error:' spin.log; then
    cat spin.log
    die "spin does not take $name"
fi
gcc -O2 -w -DSAFETY -DMEMLIM=$memory_mb -o pan pan.c
./pan -m$depth -w22 >pan.log 2>&1 || true # neither does this
sed '/^unreached in/,/^$/d' pan.log

errors=$(sed -n 's/^State-vector .* errors: \([0-9]*\)$/\1/p' pan.log)
[ -n "$errors" ] || die "the search has no result"
if [ "$expected" = fails ]; then
    [ "$errors" -gt 0 ] || die "no error was found, and there is one"
    grep -q 'assertion violated' pan.log || die "an error was found, but no violated assertion"
    exit 0
fi

if [ "$errors" -gt 0 ]; then
    echo "--- the steps that lead there"
    spin -o3 "$@" -k "$name.trail" -t "$name" | grep "step: " || true
    if grep -q 'assertion violated' pan.log; then
        die "the model does not hold"
    fi
    die "the search was cut off, or ends in a state that it should not"
fi
# "max search depth too small", "Search not completed", "out of memory", "reached -DMEMLIM"
if grep -qiE 'too small|not completed|out of memory|memlim bound|aborting' pan.log; then
    die "the search was cut off"
fi
goals=$(grep -c '^ *SHOWN(' "$name" || true)
[ "$goals" -gt 0 ] || die "$name has no goals"
unreached=0
while read -r line; do
    if sed -n "${line}p" "$name" | grep -q 'SHOWN('; then
        echo "never reached: $name:$line:$(sed -n "${line}p" "$name")"
        unreached=1
    fi
done < <(sed -n "s/^[[:space:]]*$name:\([0-9]*\), state [0-9]*, .*/\1/p" pan.log)
[ "$unreached" -eq 0 ] || die "the model never gets where it should"

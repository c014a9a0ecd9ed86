#!/usr/bin/env bash
# run_model.sh says no where it must: a violated assertion, none where one is expected, a search that was
# cut off by depth or memory, a model that never gets anywhere, a model with a mistake.
set -euo pipefail
here=$(dirname "$(realpath "$0")")
log=$here/log.pml
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

refuses() { # refuses MESSAGE ARGUMENT...
    local message=$1 status=0
    shift
    "$here/run_model.sh" "$@" >"$work/out" 2>&1 || status=$?
    [ "$status" -ne 77 ] || exit 77
    if [ "$status" -ne 1 ] || ! grep -qF "$message" "$work/out"; then
        cat "$work/out"
        echo "selftest.sh: run_model.sh $*: exit $status, expected 1 and: $message" >&2
        exit 1
    fi
}

refuses 'the model does not hold' holds "$log" -DBALLOTS=2 -DMUTANT_NO_FETCH
refuses 'no error was found' fails "$log" -DBALLOTS=2
refuses 'never gets where it should' holds "$log" -DBALLOTS=2 -DLEARNERS=0
DEPTH=40 refuses 'the search was cut off' holds "$log" -DBALLOTS=2
MEMORY_MB=40 refuses 'the search was cut off' holds "$log"
MEMORY_MB=40 refuses 'no error was found' fails "$log"
sed 's/^active proctype/active proctyp/' "$log" >"$work/mistake.pml"
refuses 'spin does not take' fails "$work/mistake.pml"

#!/bin/sh
# golden.sh SIM STORY FILE: the story must be told as the file has it.
"$1" --story "$2" | diff -u "$3" - && exit 0
echo "If the change is intended: $1 --story $2 > $3" >&2
exit 1

#!/bin/sh
# check_resources.sh FOLDER TABLE: reads what keep_resources.sh kept below FOLDER, writes a table of what each kernel
# takes of a multiprocessor, and fails if one spills, uses local memory, or leaves room for too few loads.
set -eu
folder=$1
table=$2
tools=$(dirname "$0")
reports=$(find "$folder" -name '*.resources' | sort)
if [ -z "$reports" ]; then
  echo "check_resources.sh: found no report of ptxas below $folder" >&2
  exit 1
fi
# shellcheck disable=SC2086  # one file a word
cat $reports | c++filt | "$tools/resources.py" >"$table" || { cat "$table"; exit 1; }
tail -n 1 "$table"

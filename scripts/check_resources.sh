#!/bin/sh
# check_resources.sh FOLDER TABLE: reads what keep_resources.sh kept below FOLDER, writes a table of what each kernel
# takes of a multiprocessor, and fails if one spills, uses local memory, or leaves room for too few loads.
set -eu
folder=$1
table=$2
tools=$(dirname "$0")
if [ -z "$(find "$folder" -name '*.resources' | head -n 1)" ]; then
  echo "check_resources.sh: found no report of ptxas below $folder" >&2
  exit 1
fi
find "$folder" -name '*.resources' -print0 | sort -z | xargs -0 cat | c++filt | "$tools/resources.py" >"$table" ||
  { cat "$table"; exit 1; }
tail -n 1 "$table"

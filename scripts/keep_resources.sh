#!/bin/sh
# keep_resources.sh COMPILER ARGS...: runs nvcc and keeps what ptxas says of registers, memory and spills (-Xptxas=-v)
# beside the object file, as OBJECT.resources; everything else goes where it went.
object=
previous=
for argument; do
  if [ "$previous" = -o ]; then object=$argument; fi
  previous=$argument
done
report=${object:-/tmp/kernels}.resources
"$@" 2>"$report"
status=$?
grep -vE '^ptxas info|^ +[0-9]+ bytes stack frame' "$report" >&2
exit "$status"

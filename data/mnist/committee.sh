#!/bin/sh
# Trains seven networks that differ by their seeds, in directories committee-1 to committee-7 of the current one, and
# measures their averaged probabilities on the test images. From the project's root:
#
#   data/mnist/committee.sh build/train/softwarp
#
# A second call goes on after the last network that is whole.
set -e
if [ $# -ne 1 ]; then
  echo "committee.sh: expected the program softwarp as the only argument, found $# arguments" >&2
  exit 2
fi
for seed in 1 2 3 4 5 6 7; do
  run=committee-$seed
  if grep -q '"stopped": false' "$run/summary.json" 2>/dev/null; then
    continue
  elif [ -f "$run/last.safetensors" ]; then
    "$1" train --resume "$run"
  else
    "$1" train --config "$(dirname "$0")/committee.toml" --seed "$seed" --output "$run"
  fi
done
"$1" evaluate --data mnist committee-1 committee-2 committee-3 committee-4 committee-5 committee-6 committee-7

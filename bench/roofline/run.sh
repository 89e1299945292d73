#!/bin/sh
# run.sh BUILD RESULTS: writes roofline.md to RESULTS, from what the simulator counts (roofline_counts) and what the
# compiler said of the kernels in BUILD.
set -eu
build=$1
results=$2
here=$(dirname "$0")
mkdir -p "$results"
"$here/../../scripts/check_resources.sh" "$build/kernels" "$build/kernel_resources.md"
"$build/bench/roofline_counts" >"$build/roofline_counts.json"
"$here/roofline.py" "$build/roofline_counts.json" "$build/kernel_resources.md" >"$results/roofline.md"
echo "wrote $results/roofline.md"

#!/bin/sh
# The rules of the house, as a test: rules.sh [ROOT] prints `file:line: rule: what` for each breach and exits 1.
#
#   arrow       include <- core <- kernels <- host/backend <- {host/data, host/model} <- host/training <- host/report
#               <- host/program <- {tests, bench, ...}; core <- host/io <- {host/data, host/model, ...};
#               host/backend <- host/communicator <- {host/training, host/program}; host/training <- host/c;
#               include <- {simulator, examples}
#   toolkit     kernels include the CUDA toolkit, CUB, Random123 and the standard library, nothing else
#   path        an include does not climb (../); one of ours starts at the project's root, a public one is
#               <softwarp/...>
#   launch      no <<<...>>>, it drops the error: launch()
#   synchronize no cudaDeviceSynchronize in include, core, kernels or host: only a download waits
#   comment     no comment opens with What, Whether, Where or Whose: it states a fact
#   word        no name in include, core, kernels and host that gave way to the field's word
#   lines       no source over 400 lines
#   listed      every .cpp and .cu is named in CMake
#   glob        CMake names its sources, it does not look for them
#   binary      no binary file outside data/
#   checksum    every IDX file is in data/SHA256SUMS
set -eu
cd "${1:-$(dirname "$0")/..}"
export LC_ALL=C

files=$(scripts/list_files.sh)
if [ -z "$files" ]; then
  echo "rules.sh: found no file in $PWD" >&2
  exit 1
fi

binaries() {
  printf '%s\n' "$files" | grep -v '^data/' | tr '\n' '\0' | xargs -0 grep -IL '' | while IFS= read -r file; do
    if [ -s "$file" ]; then echo "$file:1: binary: binary files live in data/"; fi
  done
}

breaches=$(binaries; printf '%s\n' "$files" | awk -f scripts/rules.awk | sort -t: -k1,1 -k2,2n)
if [ -n "$breaches" ]; then
  printf '%s\n' "$breaches"
  exit 1
fi

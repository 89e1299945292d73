#!/bin/bash
# bundle.sh BUILD OUT [COLUMNS]: writes OUT/bundle.tar.xz, what a machine with a GPU, CUDA's libraries and Python, but none of our
# packages, needs to test and measure this checkout: the programs that BUILD/gpu_programs.txt lists, the shared libraries
# that they load, and what the roofline predicts for the GPUs that BUILD was made for, for rows of at most COLUMNS.
# on_device.sh is its entry.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build=$1
out=$2
files=$(mktemp -d)
trap 'rm -rf "$files"' EXIT
mkdir -p "$out" "$files/bin" "$files/lib"

# The C and C++ libraries are everywhere; the driver's and CUDA's are that machine's.
everywhere='/(ld-linux[^/]*|lib(c|m|dl|pthread|rt|stdc\+\+|gcc_s|cuda|cudart|cublas|cublasLt|cudnn[^/]*))\.so'
while read -r program; do
  install -s "$program" "$files/bin/"
  libraries=$(ldd "$program")
  if grep 'not found' <<<"$libraries"; then echo "bundle.sh: $program lacks a library" >&2 && exit 1; fi
  awk '$3 ~ /^\// { print $3 }' <<<"$libraries" | { grep -vE "$everywhere" || true; } |
    while read -r library; do install -m 644 -s "$(readlink -f "$library")" "$files/lib/$(basename "$library")"; done
done <"$build/gpu_programs.txt"

# A kernel that spills is measured all the same: the ctest kernel_resources says so.
table=$build/kernel_resources.md
"$here/../../cmake/check_resources.sh" "$build/kernels" "$table" >/dev/null || echo "bundle.sh: $(tail -n 1 "$table")" >&2
"$build/bench/roofline_counts" "${@:3}" >"$build/roofline_counts.json"
"$here/../roofline/roofline.py" --json "$build/roofline_counts.json" "$table" >"$files/prediction.json"

{
  git -C "$here" log -1 --format='%h %s' 2>/dev/null || echo 'unknown'
  [ -z "$(git -C "$here" status --porcelain 2>/dev/null)" ] || echo 'with uncommitted changes'
} | paste -sd ' ' >"$files/commit"
install "$here"/{on_device.sh,results.py,page.py,peers.py} "$files"
tar -C "$files" -cf - . | xz -T0 -6 >"$out/bundle.tar.xz"
echo "wrote $out/bundle.tar.xz, $(($(stat -c %s "$out/bundle.tar.xz") >> 20)) MB, $(wc -l <"$build/gpu_programs.txt") programs"

#!/bin/bash
# bundle.sh BUILD OUT [COLUMNS]: writes OUT/bundle.tar.xz, with which a machine that has a GPU, CUDA's libraries and
# Python, but none of our packages, can test and measure this checkout. It holds the programs that BUILD/gpu_programs.txt
# lists, the shared libraries that they load, the roofline's predictions for the GPUs that BUILD was made for (of rows of
# at most COLUMNS), and on_device.sh, which runs everything.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build=$1
out=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
files=$work/files
mkdir -p "$out" "$files/bin" "$files/lib"

# The other machine has its own C and C++ libraries, driver and CUDA.
everywhere='/(ld-linux[^/]*|lib(c|m|dl|pthread|rt|stdc\+\+|gcc_s|cuda|cudart|cublas|cublasLt|cudnn[^/]*))\.so'
while read -r program; do
  install -s "$program" "$files/bin/"
  libraries=$(ldd "$program")
  if grep 'not found' <<<"$libraries"; then echo "bundle.sh: $program lacks a library" >&2 && exit 1; fi
  awk '$3 ~ /^\// { print $3 }' <<<"$libraries" | { grep -vE "$everywhere" || true; } |
    while read -r library; do install -m 644 -s "$(readlink -f "$library")" "$files/lib/$(basename "$library")"; done
done <"$build/gpu_programs.txt"

# Spills do not stop the bundle; the ctest kernel_resources judges them.
table=$work/kernel_resources.md
"$here/../../scripts/check_resources.sh" "$build/kernels" "$table" >/dev/null || echo "bundle.sh: $(tail -n 1 "$table")" >&2
"$build/bench/roofline_counts" "${@:3}" >"$work/counts.json"
"$here/../roofline/roofline.py" --json "$work/counts.json" "$table" >"$files/prediction.json"

{
  git -C "$here" log -1 --format='%h %s' 2>/dev/null || echo 'unknown'
  [ -z "$(git -C "$here" status --porcelain 2>/dev/null)" ] || echo 'with uncommitted changes'
} | paste -sd ' ' >"$files/commit"
install "$here"/{on_device.sh,results.py,page.py,peers.py} "$files"
# The programs hold the same kernels: the dictionary reaches from one to the next.
tar -C "$files" -cf - . | xz -T0 --lzma2=preset=6,dict=64MiB >"$out/bundle.tar.xz"
size=$(($(stat -c %s "$out/bundle.tar.xz") >> 20))
echo "wrote $out/bundle.tar.xz, $size MB, $(wc -l <"$build/gpu_programs.txt") programs"

#!/bin/sh
# Names each place where a C++ or CUDA source is not laid out as .clang-format says; with --fix, lays it out.
# Releases of clang-format differ in what they make of the same settings, so it must be 19.
set -eu
cd "$(dirname "$0")/.."

tool=
for candidate in clang-format-19 clang-format; do
  if "$candidate" --version 2>/dev/null | grep -q 'version 19\.'; then
    tool=$candidate
    break
  fi
done
if [ -z "$tool" ]; then
  echo "check_format.sh: clang-format 19 is needed (Debian package clang-format-19, PyPI clang-format==19.1.7) and was not found" >&2
  exit 1
fi

case "${1:-}" in
  --fix) mode=-i ;;
  '') mode='--dry-run -Werror' ;;
  *) echo "check_format.sh: expected --fix or nothing, found $1" >&2; exit 1 ;;
esac

files=$(scripts/list_files.sh | grep -E '\.(h|cuh|cu|c|cpp)$' || true)
if [ -z "$files" ]; then
  echo "check_format.sh: found no source" >&2
  exit 1
fi
# shellcheck disable=SC2086  # the mode may be two words
echo "$files" | tr '\n' '\0' | xargs -0 "$tool" $mode

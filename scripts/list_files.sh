#!/bin/sh
# list_files.sh: the files that are, or would be, committed, from the project's root; one that was deleted but not
# committed yet is left out. Where git is missing or does not trust the owner of this clone, all files but what
# .gitignore calls ours to leave out.
set -eu
cd "$(dirname "$0")/.."
export LC_ALL=C
{
  if [ ! -e .git ] || ! git -c core.quotePath=off ls-files --cached --others --exclude-standard 2>/dev/null; then
    find . \( -path ./build -o -path './softwarp-run*' -o -path ./bench-results -o -path ./.cache -o -name .git -o -name __pycache__ \) -prune \
      -o -type f -print | sed 's|^\./||'
  fi
} | sort -u | while IFS= read -r file; do
  if [ -f "$file" ]; then printf '%s\n' "$file"; fi
done

#!/bin/sh
# readme.sh BUILD SOURCE: runs what README.md tells its readers to type, from the first to the last, in an empty
# directory: each must end with exit code 0. Of make, only that there is such a target: what they run is run elsewhere.
# And the C++ that it shows is that of examples/train.cpp.
set -eu
build=$1
source=$2
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
cd "$directory"
export HOME="$directory"
PATH=/usr/bin:$PATH  # Debian's Python has Debian's modules
mkdir build
ln -s "$build" build/train
ln -s "$source/data" "$source/examples" .

awk '/^```/ { inside = $0 == "```cpp"; next } inside' "$source/README.md" >shown.cpp
diff "$source/examples/train.cpp" shown.cpp || {
  echo 'README.md: expected the text of examples/train.cpp' >&2
  exit 1
}

# The lines of the blocks marked sh, and those after a $ in the others; without their comments.
awk '/^```/ { block = block ? "" : ($0 == "```sh" ? "sh" : "text"); next }
  block == "sh" || (block == "text" && sub(/^\$ /, "")) { sub(/ +#.*/, ""); if ($0 != "") print }' \
  "$source/README.md" >commands

count=0
while IFS= read -r command; do
  case $command in
    make\ *) run="$command --dry-run -C '$source'" ;;
    # source itself succeeds even where the program fails.
    source\ \<\(build/train/softwarp\ *) run="$command && wait \$!" ;;
    build/train/softwarp\ * | build/examples/* | cmake\ * | python3\ examples/*) run=$command ;;
    *)
      echo "README.md: expected make, cmake, what they build or an example, found: $command" >&2
      exit 1
      ;;
  esac
  if ! bash -c "$run" >output 2>&1 </dev/null; then
    tail -n 20 output
    echo "README.md: failed: $command" >&2
    exit 1
  fi
  count=$((count + 1))
done <commands
if [ "$count" -lt 10 ]; then
  echo "README.md: expected at least 10 commands, found $count" >&2
  exit 1
fi
echo "$count commands"

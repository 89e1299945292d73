#!/bin/sh
# readme.sh BUILD SOURCE: holds README.md and docs/*.md to what they tell their readers. Runs the commands of the pages in
# an empty directory, from the first to the last: each must end with exit code 0. Of make, ctest and presets it checks
# only that there is such a target or preset, and of scripts that they exist: what they run is run elsewhere. C++ that a
# page shows is text of an example or compiles with the public headers alone. docs/library.md shows all of
# examples/train.cpp. docs/command_line.md has a row for each flag. Links lead to files.
# docs/softmax_backward.md is left out: softmax_backward_page_test.py holds it.
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
pages=README.md
for page in "$source"/docs/*.md; do
  if [ "${page##*/}" != softmax_backward.md ]; then pages="$pages docs/${page##*/}"; fi
done

fail() {
  echo "$*" >&2
  exit 1
}

# contains FILE TEXT: the text of one file lies in the other, as it is.
contains() { awk -v RS='\001' 'NR == 1 { all = $0; next } END { exit !index(all, $0) }' "$1" "$2"; }

# The blocks marked cpp or c, one a file.
for page in $pages; do
  awk -v name="block.$(basename "$page")" '/^```/ { inside = !inside && /^```(cpp|c)$/; if (inside) ++n; next }
    inside { print >name "." n ".cpp" }' "$source/$page"
done
whole=0
blocks=0
mkdir toolkit  # CUDA's headers, by the simulator
ln -s "$source/simulator" toolkit
for block in block.*.cpp; do
  blocks=$((blocks + 1))
  if [ "${block#block.library.md}" != "$block" ] && cmp -s "$block" "$source/examples/train.cpp"; then whole=1; fi
  for example in "$source"/examples/*.c*; do
    if contains "$example" "$block"; then continue 2; fi
  done
  "${CXX:-c++}" -std=c++20 -Wall -Wextra -Werror -fsyntax-only -I "$source/include" -I toolkit -I toolkit/simulator/include "$block" ||
    fail "${block%.*}: expected text of an example, or C++ that compiles with include/ alone"
done
[ "$whole" = 1 ] || fail 'docs/library.md: expected the text of examples/train.cpp'
[ "$blocks" -ge 2 ] || fail "expected C++ in README.md and docs/library.md, found $blocks blocks"

# The chart is drawn from the page, and described by it.
python3 -B "$source/docs/softmax_cpu.py" "$source/docs/benchmarks.md" | diff - "$source/docs/softmax_cpu.svg" ||
  fail 'docs/softmax_cpu.svg: expected the chart of docs/benchmarks.md'
said=$(sed -n 's/.*<desc[^>]*>\(.*\)<.*/\1/p' "$source/docs/softmax_cpu.svg")
tr -s ' \n' ' ' <"$source/README.md" | grep -qF "alt=\"${said%.}" || fail "README.md: expected alt=\"$said\""

# Links, but for those to the web: paths from the page.
for page in $pages docs/softmax_backward.md; do
  grep -oE '\]\([^)]+\)|src="[^"]+"' "$source/$page" | sed 's/^\](//; s/^src="//; s/[)"]$//; s/#.*//' |
    while IFS= read -r link; do
      case $link in '' | http*) continue ;; esac
      [ -e "$source/$(dirname "$page")/$link" ] || fail "$page: found no $link"
    done
done

# The rows of flags, and the flags that the program lists.
for command in train deform evaluate predict export compare softmax gradcheck; do
  build/train/softwarp "$command" --help | sed -n 's/^  \(-h,\)\{0,1\}\(--[a-z-]*\).*/\2/p'
done | grep -vx -e --help | sort -u >flags
sed -n 's/^| `\(--[a-z-]*\).*/\1/p' "$source/docs/command_line.md" | sort -u | diff flags - ||
  fail 'docs/command_line.md: expected a row for each flag that --help lists (<), and no other (>)'

# The lines of the blocks marked sh, and those after a $ in the others; without their comments.
for page in $pages; do
  awk -v page="$page" '/^```/ { block = block ? "" : ($0 == "```sh" ? "sh" : "text"); next }
    block == "sh" || (block == "text" && sub(/^\$ /, "")) { sub(/ +#.*/, ""); if ($0 != "") print page "\t" $0 }' "$source/$page"
done >commands

tab=$(printf '\t')
count=0
while IFS=$tab read -r page command; do
  case $command in
    make\ *) run="$command --dry-run -C '$source'" ;;
    ctest\ --preset\ * | cmake\ --preset\ * | cmake\ --build\ --preset\ *)
      preset=${command#*--preset }
      run="grep -qF '\"name\": \"${preset%% *}\"' '$source/CMakePresets.json'"
      ;;
    tests/*.sh* | scripts/*.sh* | data/*.sh*) run="test -x '$source/${command%% *}'" ;;
    # Whole, these take up to hours.
    build/train/softwarp\ train\ --config\ data/*)
      run="$command --data mnist --images 64 --epochs 1 --checkpoint-every 0 --output recipe-$count"
      ;;
    # source itself succeeds even where the program fails.
    source\ \<\(build/train/softwarp\ *) run="$command && wait \$!" ;;
    build/train/softwarp\ * | build/examples/* | cmake\ * | python3\ examples/*) run=$command ;;
    *) fail "$page: expected make, cmake, ctest, what they build, a script or an example, found: $command" ;;
  esac
  if ! bash -c "$run" >output 2>&1 </dev/null; then
    tail -n 20 output
    fail "$page: failed: $command"
  fi
  count=$((count + 1))
done <commands
[ "$count" -ge 30 ] || fail "expected at least 30 commands, found $count"
echo "$count commands"

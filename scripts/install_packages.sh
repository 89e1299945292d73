#!/bin/sh
# install_packages.sh [SECTION...]: installs what is missing of these sections of packages.txt, or of all of them, and
# does nothing where all is there.
#
# As root it calls apt-get, otherwise sudo if that can be used; without either it prints the one command to run
# and exits 1. SOFTWARP_SKIP_PACKAGES=1 skips all of this, for libraries that were installed in another way.
set -eu

[ "${SOFTWARP_SKIP_PACKAGES:-0}" != 1 ] || exit 0
list=$(dirname "$0")/packages.txt

# A line of alternatives each, `a|b`.
wanted=$(awk -v sections="$*" '
  BEGIN { all = split(sections, names, " ") == 0; for (i in names) chosen[names[i]] }
  { sub(/#.*/, ""); gsub(/[ \t]/, "") }
  /^\[.*\]$/ { name = substr($0, 2, length($0) - 2); seen[name]; next }
  NF && (all || name in chosen) { print }
  END { for (name in chosen) if (!(name in seen)) { print "install_packages.sh: packages.txt has no section " name >"/dev/stderr"; exit 1 } }
' "$list") || exit 1
names=$(echo "$wanted" | tr '|' '\n' | xargs)

if ! command -v dpkg-query >/dev/null 2>&1; then
  echo "softwarp: no dpkg here, so nothing is installed; CMake looks for what these Debian packages hold: $names" >&2
  exit 0
fi

# The lines of which no alternative is installed. dpkg-query fails if it does not know one of the names; what it knows
# it prints all the same.
find_missing() {
  # shellcheck disable=SC2086  # names, one word each
  have=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' $names 2>/dev/null | sed -n 's/^installed //p') || true
  echo "$wanted" | awk -v have="$have" '
    BEGIN { n = split(have, installed, /[ \n]+/); for (i = 1; i <= n; ++i) present[installed[i]] }
    { n = split($0, names, "|"); for (i = 1; i <= n; ++i) if (names[i] in present) next; print }'
}

# apt-cache succeeds and prints nothing for a name that other packages only provide.
known_to_apt() { [ -n "$(apt-cache show --no-all-versions "$1" 2>/dev/null)" ]; }

# The first alternative of each line that the archive has. A line of which it has none is no reason to stop: CMake says
# what is really needed.
available() {
  for line in $1; do
    found=
    for name in $(echo "$line" | tr '|' ' '); do
      if known_to_apt "$name"; then found=$name; break; fi
    done
    if [ -n "$found" ]; then
      echo "$found"
    else
      echo "softwarp: this system's archive has no package $line; going on without it" >&2
    fi
  done
}

missing=$(find_missing)
[ -n "$missing" ] || exit 0

# A package that always exists tells that apt has read the archive's lists: what they lack will not be there later.
if known_to_apt cmake && [ -z "$(available "$missing" 2>/dev/null)" ]; then
  available "$missing"
  exit 0
fi

give_up() {
  lacking=$(find_missing)
  if known_to_apt cmake; then lacking=$(available "$lacking" 2>/dev/null); else lacking=$(echo "$lacking" | sed 's/|.*//'); fi
  lacking=$(echo "$lacking" | xargs)
  echo "softwarp: these packages are missing: $lacking" >&2
  echo "softwarp: install them as root with this command, then run make again:" >&2
  echo "  apt-get update; apt-get install --no-install-recommends -y $lacking" >&2
  exit 1
}

if [ "$(id -u)" = 0 ]; then
  as_root=
elif command -v sudo >/dev/null 2>&1 && { sudo -n true 2>/dev/null || { [ -t 0 ] && sudo true; }; }; then
  as_root=sudo
else
  give_up
fi

apt() {
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get -o Acquire::Retries=3 -o DPkg::Lock::Timeout=120 "$@"
}

for attempt in 1 2 3; do
  apt update -q || echo "softwarp: apt-get update failed in part; trying with what it has" >&2
  found=$(available "$missing" | xargs)
  echo "softwarp: installing $found"
  # shellcheck disable=SC2086
  if [ -n "$found" ] && apt install -q -y --no-install-recommends $found; then exit 0; fi
  [ "$attempt" = 3 ] || sleep $((attempt * 3))
done
give_up

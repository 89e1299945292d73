#!/bin/sh
# install_packages.sh [program]: installs the packages of packages.txt that are missing, and does nothing where all are
# there. With `program`, only what the program is built with: those above the tests'.
#
# As root it calls apt-get, otherwise sudo if that can be used; without either it prints the one command to run
# and exits 1. SOFTWARP_SKIP_PACKAGES=1 skips all of this, for libraries that were installed in another way.
set -eu

[ "${SOFTWARP_SKIP_PACKAGES:-0}" != 1 ] || exit 0
list=$(dirname "$0")/packages.txt
case ${1:-} in
  program) leave_out='/^# Tests/,$d' ;;
  *) leave_out= ;;
esac
wanted=$(sed -e "$leave_out" -e 's/#.*//' "$list" | xargs)

if ! command -v dpkg-query >/dev/null 2>&1; then
  echo "softwarp: no dpkg here, so nothing is installed; CMake looks for what these Debian packages hold: $wanted" >&2
  exit 0
fi

# dpkg-query fails if it does not know one of the names; what it knows it prints all the same.
find_missing() {
  # shellcheck disable=SC2086  # names, one word each
  { dpkg-query -W -f='${db:Status-Status} ${Package}\n' $wanted 2>/dev/null || true; } |
    awk -v wanted="$wanted" '$1 == "installed" { have[$2] = 1 }
      END { n = split(wanted, names, " "); for (i = 1; i <= n; ++i) if (!(names[i] in have)) print names[i] }'
}

known_to_apt() { apt-cache show --no-all-versions "$1" >/dev/null 2>&1; }

# A name that this release of the system does not have is no reason to stop: CMake says if it is really needed.
available() {
  for name in $1; do
    if known_to_apt "$name"; then
      echo "$name"
    else
      echo "softwarp: this system's archive has no package $name; going on without it" >&2
    fi
  done
}

missing=$(find_missing | xargs)
[ -n "$missing" ] || exit 0

# A package that always exists tells whether apt has read the archive's lists.
if known_to_apt cmake && [ -z "$(available "$missing" 2>/dev/null)" ]; then
  available "$missing"
  exit 0
fi

give_up() {
  echo "softwarp: these packages are missing: $missing" >&2
  echo "softwarp: install them as root with this command, then run make again:" >&2
  echo "  apt-get update; apt-get install --no-install-recommends -y $missing" >&2
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

echo "softwarp: installing $missing"
for attempt in 1 2 3; do
  apt update -q || echo "softwarp: apt-get update failed in part; trying with what it has" >&2
  found=$(available "$missing" | xargs)
  # shellcheck disable=SC2086
  if [ -n "$found" ] && apt install -q -y --no-install-recommends $found; then exit 0; fi
  [ "$attempt" = 3 ] || sleep $((attempt * 3))
done
missing=$(find_missing | xargs)
give_up

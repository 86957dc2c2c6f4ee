#!/usr/bin/env bash
# Installs the programs that the local platform needs and this machine lacks; does nothing if all are there.
#
# The platform gives each local host a machine with a Docker engine of its own: it needs Linux, root and the programs
# below. No engine needs to run, so a machine without systemd (a container, a CI sandbox) works, and a running engine
# is not touched.
#
# On Debian the programs come from Debian packages, after a question; CI=true or YES=1 answers it.
# Installed with apt: docker.io iptables iproute2 git curl ca-certificates procps, as far as they are missing.
# Unpacked without being installed, because it would start a service: docker-registry, into .tools/debian.
# compose and buildx (from sid, whose versions packer/pins.env names for the hosts) become CLI plugins in
# /usr/local/lib/docker/cli-plugins, where every docker command finds them. Others that are here and new enough are
# left alone, and it is said that they are others. apt's output goes to .tools/install.log, also so that a daemon which a package starts
# cannot hold this script's output open.
#
# Environment: CI, YES; for tests EPH_TOOLS (default .tools), EPH_PLUGINS.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tools=${EPH_TOOLS:-$(dirname "$here")/.tools}
plugins=${EPH_PLUGINS:-/usr/local/lib/docker/cli-plugins}
log=$tools/install.log
least_compose=2.24
lock_wait_seconds=300

say() { printf 'install: %s\n' "$*"; }
fail() {
  printf 'install: %s\n' "$*" >&2
  exit 1
}

# Debian keeps dockerd and iptables in sbin, which is not on the PATH of every shell.
export PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l NEEDRESTART_SUSPEND=1

# version_at_least 2.26.1-4 2.24 -> true. Compares major and minor; a leading v is allowed.
version_at_least() {
  local have=${1#v} want=$2 have_minor want_minor
  [[ $have =~ ^[0-9]+\.[0-9]+ ]] || return 1
  have_minor=${have#*.} want_minor=${want#*.}
  have_minor=${have_minor%%[!0-9]*}
  ((${have%%.*} > ${want%%.*} || (${have%%.*} == ${want%%.*} && have_minor >= want_minor)))
}

compose_is_new_enough() {
  version_at_least "$(docker compose version --short 2>/dev/null || true)" "$least_compose"
}

# Warns where the tests would not run with the programs that hosts have. 2.40.3-3 and v2.40.3 are the same.
say_other_versions() {
  local name have pins=$here/../packer/pins.env
  for name in compose buildx; do
    local want key=${name^^}_VERSION
    want=$(sed -n "s/^$key=v//p" "$pins")
    have=$(docker "$name" version 2>/dev/null | grep -Eo '[0-9]+\.[0-9]+\.[0-9]+' | head -n 1 || true)
    [[ -z $have || $have == "$want" ]] ||
      say "docker $name is $have here, hosts have $want (packer/pins.env): what differs between them is not tested"
  done
}

# Debian 13 has taken the client out of docker.io and only recommends it there.
docker_cli_package() {
  # shellcheck source=/dev/null
  (. /etc/os-release && ((${VERSION_ID:-13} < 13))) && echo docker.io || echo docker-cli
}

# Lists the missing packages, one `<package> <how>` a line; how is apt, plugin or unpack.
missing() {
  local program package
  while read -r program package; do
    command -v "$program" >/dev/null || echo "${package/DOCKER_CLI/$(docker_cli_package)} apt"
  done <<-'END'
	dockerd docker.io
	containerd docker.io
	docker DOCKER_CLI
	iptables iptables
	ip iproute2
	nsenter util-linux
	mount mount
	git git
	curl curl
	flock util-linux
	ps procps
	END
  [[ -e /etc/ssl/certs/ca-certificates.crt ]] || echo 'ca-certificates apt'
  compose_is_new_enough || echo 'docker-compose plugin'
  docker buildx version >/dev/null 2>&1 || echo 'docker-buildx plugin'
  [[ -x $tools/debian/usr/bin/docker-registry || -x /usr/bin/docker-registry ]] || echo 'docker-registry unpack'
}

of_kind() { awk -v kind="$1" '$2 == kind && !seen[$1]++ { print $1 }' <<<"$lacking"; }

# Runs apt-get with its output in the log. Another apt (unattended upgrades, a second checkout) may hold one of
# three locks; apt waits for dpkg's by itself, but not for the one on the lists.
apt_locked() { grep -Eq 'Could not get lock|Unable to (lock|acquire)|is another process using it' "$log.last"; }

run_apt() {
  local until=$((SECONDS + lock_wait_seconds)) told=false
  while true; do
    if apt-get -q --yes -o "DPkg::Lock::Timeout=$lock_wait_seconds" "$@" </dev/null >"$log.last" 2>&1; then
      cat "$log.last" >>"$log"
      return 0
    fi
    cat "$log.last" >>"$log"
    apt_locked || return 1
    ((SECONDS < until)) || fail "apt has been locked by another program for $lock_wait_seconds s: $(grep -m1 -Ei 'lock' "$log.last")"
    $told || say "another apt is running on this machine; waiting for it (up to $lock_wait_seconds s)"
    told=true
    sleep 3
  done
}

apt_install() {
  # A killed run of dpkg leaves packages half configured, and apt refuses to continue.
  [[ -z $(dpkg --audit) ]] || dpkg --configure -a </dev/null >>"$log" 2>&1 || true
  run_apt install --no-install-recommends "$@" && return
  apt_update
  run_apt install --no-install-recommends "$@" || fail "apt could not install $*: $(grep -m2 '^E:' "$log.last" || tail -n 2 "$log.last") (all of it: $log)"
}

# A third-party source that does not answer makes apt-get update fail although Debian's lists arrived, so its
# result is not what counts; the install that follows says what is really missing.
apt_update() {
  say 'fetching package lists'
  run_apt update || say "apt-get update reported: $(grep -m1 -E '^(E|W):' "$log.last" || true)"
}

install_plugin() {
  local package=$1 unpacked
  unpacked=$(mktemp -d "$tools/unpack.XXXXXX")
  "$here/install-from-debian.sh" sid "$unpacked" "$package" >>"$log"
  mkdir -p "$plugins"
  # The file is written under a second name first: a killed run must not leave an incomplete program under the name
  # that docker looks for.
  mv "$unpacked/usr/libexec/docker/cli-plugins/$package" "$plugins/.$package.new"
  mv "$plugins/.$package.new" "$plugins/$package"
  rm -rf "$unpacked"
}

unpack() {
  local package unpacked
  unpacked=$(mktemp -d "$tools/unpack.XXXXXX")
  "$here/install-from-debian.sh" bookworm "$unpacked" "$@" >>"$log"
  mkdir -p "$tools/debian/usr/bin"
  for package in "$@"; do
    mv "$unpacked/usr/bin/$package" "$tools/debian/usr/bin/$package"
  done
  rm -rf "$unpacked"
}

# Checks whether the platform can run here at all, before anything is fetched or built.
require_linux_and_root() {
  [[ $(uname -s) == Linux && $(id -u) == 0 ]] && return
  local other="docker run --rm -it --privileged -v \"\$PWD\":/eph -w /eph node:24-bookworm make demo"
  [[ $(uname -s) != Linux ]] || other="sudo make demo, or in a container: $other"
  fail "the local platform needs Linux and root, because each environment gets a machine with its own Docker engine. Run it as: $other. Without it, make check runs everything that needs no Docker."
}

is_debian() {
  # shellcheck source=/dev/null
  [[ -r /etc/os-release ]] && (. /etc/os-release && [[ ${ID:-} == debian ]])
}

may_install() {
  [[ ${CI:-} == true || ${YES:-} == 1 ]] && return 0
  [[ -t 0 ]] || {
    say 'nobody to ask here (no terminal): run it again with YES=1 to install the above'
    return 1
  }
  local answer
  read -r -p 'install: go ahead? [y/N] ' answer
  [[ $answer == [yY] || $answer == [yY][eE][sS] ]]
}

main() {
  require_linux_and_root
  lacking=$(missing)
  if [[ -z $lacking ]]; then
    say_other_versions
    return 0
  fi
  is_debian || fail "missing on this machine: $(cut -d' ' -f1 <<<"$lacking" | xargs). Install these packages (Docker Engine with compose >= $least_compose: https://docs.docker.com/engine/install/), or run this on Debian 12 or newer, where it installs them itself."

  say 'the local platform runs each environment in a Docker engine of its own; missing here:'
  announce apt 'Debian packages, installed with apt'
  announce plugin "docker plugins from Debian sid, into $plugins"
  announce unpack "unpacked from Debian packages into $tools/debian, not installed"
  may_install || fail 'nothing was changed'

  mkdir -p "$tools"
  exec 8>"$tools/install.lock"
  flock -w 600 8 || fail "another install has held $tools/install.lock for 10 minutes"
  install_lacking 8>&-
}

announce() {
  local packages
  packages=$(of_kind "$1" | xargs)
  [[ -z $packages ]] || say "  $2: $packages"
}

install_lacking() {
  local packages package
  : >"$log"
  rm -rf "$tools"/unpack.*
  # Another run may have installed some of it while this one waited.
  lacking=$(missing)
  mapfile -t packages < <(of_kind apt)
  ((${#packages[@]} == 0)) || apt_install "${packages[@]}"
  for package in $(of_kind plugin); do install_plugin "$package"; done
  mapfile -t packages < <(of_kind unpack)
  ((${#packages[@]} == 0)) || unpack "${packages[@]}"
  hash -r
  lacking=$(missing)
  [[ -z $lacking ]] || fail "still missing after the install: $(cut -d' ' -f1 <<<"$lacking" | xargs). The log is $log"
  say "done: $(dockerd --version | cut -d, -f1), compose $(docker compose version --short)"
  say_other_versions
}

# The tests source this file for its functions.
[[ ${BASH_SOURCE[0]} != "$0" ]] || main "$@"

#!/bin/bash
# Makes an Amazon Linux 2023 machine a host of Eph. Run as root, safe to repeat.
#
#   provision.sh <folder>           installs; the folder holds pins.env, files/, bootstrap.sh and eph-agent
#   provision.sh <folder> --start   the same, then starts the host (a stock image, at its first boot)
#   provision.sh --check            says whether everything is there, one line each; exits 1 if not
#   provision.sh --seal             checks, then removes what must differ from machine to machine (before an
#                                   image is made of this one)
#
# Software with a signed package repository is installed from there: docker, git, nftables from Amazon's, cloudflared
# from Cloudflare's. The rest (Node.js, compose, buildx) is fetched by the version and the vendor's checksum in
# pins.env; without them this script stops, rather than install unverified files.
set -euo pipefail

lib=/usr/local/lib/eph
plugins=/usr/local/lib/docker/cli-plugins
# Hands a parameter to its script as an environment variable, never as text: `interpolationType: ENV_VAR`.
# https://docs.aws.amazon.com/systems-manager/latest/userguide/documents-syntax-data-elements-parameters.html
least_ssm_agent=3.3.2746.0

say() { echo "provision: $*"; }
fail() {
  echo "provision: $*" >&2
  exit 1
}

# The machine's architecture, as the vendors write it in their file names: uname's, Node's, Go's.
architecture() {
  case $(uname -m) in
    x86_64) echo x86_64 x64 amd64 ;;
    aarch64) echo aarch64 arm64 arm64 ;;
    *) fail "there are hosts for x86_64 and aarch64 only, not for $(uname -m)" ;;
  esac
}

# pinned <name>: sets url and sha256 for this machine from pins.env.
pinned() {
  local key
  key=${1}_$(uname -m)
  key=${key^^}
  local url_name=${key}_URL sha_name=${key}_SHA256
  url=${!url_name:-}
  sha256=${!sha_name:-}
  [[ $url == https://* && $sha256 =~ ^[0-9a-f]{64}$ ]] ||
    fail "pins.env has no address and checksum of $1 for $(uname -m): run make pin, then bake again"
}

# fetch <name> <file>: downloads by its pin; the file exists only if its checksum is right.
fetch() {
  local url sha256
  pinned "$1"
  curl --silent --show-error --fail --location --retry 5 --max-time 300 --output "$2.new" "$url"
  echo "$sha256  $2.new" | sha256sum --check --status ||
    fail "what $url sent is not what its vendor published (pins.env)"
  mv "$2.new" "$2"
}

install_packages() {
  say 'packages of Amazon Linux'
  dnf install --assumeyes --quiet docker git nftables tar xz
  say 'cloudflared from its own signed repository'
  # The file has gpgcheck=1; it is set again here in case a later version lacks it.
  curl --silent --show-error --fail --retry 5 --output /etc/yum.repos.d/cloudflared.repo \
    https://pkg.cloudflare.com/cloudflared.repo
  sed -i '/^gpgcheck=/d' /etc/yum.repos.d/cloudflared.repo
  sed -i '/^\[/a gpgcheck=1' /etc/yum.repos.d/cloudflared.repo
  dnf install --assumeyes --quiet cloudflared
}

install_node() {
  say 'Node.js'
  local archive
  archive=$(mktemp -d)/node.tar.xz
  fetch node "$archive"
  rm -rf /usr/local/lib/node
  mkdir -p /usr/local/lib/node
  tar --extract --xz --file "$archive" --directory /usr/local/lib/node --strip-components=1
  ln -sf /usr/local/lib/node/bin/node /usr/local/bin/node
  ln -sf /usr/local/bin/node /usr/bin/node
  rm -rf "$(dirname "$archive")"
}

install_plugins() {
  say 'compose and buildx'
  mkdir -p "$plugins"
  local name
  for name in compose buildx; do
    fetch "$name" "$plugins/docker-$name"
    chmod 755 "$plugins/docker-$name"
  done
}

install_files() {
  say "the host's own files"
  local from=$1
  install -D -m 755 "$from/bootstrap.sh" "$lib/bootstrap.sh"
  install -D -m 755 "$from/files/eph-metadata-rule" "$lib/eph-metadata-rule"
  install -D -m 755 "$from/files/wait-for-ssm" "$lib/wait-for-ssm"
  install -D -m 755 "$from/provision.sh" "$lib/provision.sh"
  install -m 755 "$from/eph-agent" /usr/bin/eph-agent
  install -D -m 644 "$from/files/daemon.json" /etc/docker/daemon.json
  install -m 644 "$from/files/eph-bootstrap.service" "$from/files/eph-metadata-rule.service" \
    "$from/files/eph.slice" /etc/systemd/system/
  install -D -m 644 "$from/files/ssm-agent-gate.conf" \
    /etc/systemd/system/amazon-ssm-agent.service.d/eph.conf
  # The journal is limited, because a build may fill it and a host lives for weeks.
  install -d /etc/systemd/journald.conf.d
  printf '[Journal]\nSystemMaxUse=200M\n' >/etc/systemd/journald.conf.d/eph.conf
}

# A t3.small has 2 GiB, which many builds need alone. The swap file gets its name only when it is complete, so that a
# second run does not use an incomplete one. Amazon Linux's mkswap (util-linux 2.37) has no --quiet.
add_swap() {
  local file=$1 table=$2
  if [[ ! -e $file ]]; then
    say 'swap'
    dd if=/dev/zero of="$file.new" bs=1M count=2048 status=none
    chmod 600 "$file.new"
    mkswap "$file.new" >/dev/null
    mv "$file.new" "$file"
  fi
  grep -q "^$file " "$table" || echo "$file none swap sw 0 0" >>"$table"
}

update_ssm_agent() {
  ssm_agent_is_new_enough || dnf update --assumeyes --quiet amazon-ssm-agent
}

ssm_agent_is_new_enough() {
  local version
  version=$(rpm --query --queryformat '%{VERSION}' amazon-ssm-agent 2>/dev/null) || return
  [[ $(printf '%s\n' "$least_ssm_agent" "$version" | sort --version-sort | head -n 1) == "$least_ssm_agent" ]]
}

enable_units() {
  systemctl daemon-reload
  # This service reads metadata outside of our slice, which the packet rule refuses, and so fails for as long as a
  # host lives. It configures further interfaces and addresses, of which a host has none.
  # https://github.com/amazonlinux/amazon-ec2-net-utils/issues/129
  systemctl mask --quiet refresh-policy-routes@.timer refresh-policy-routes@.service
  systemctl enable --quiet docker eph-metadata-rule eph-bootstrap amazon-ssm-agent
}

# The image of every environment's proxy is put on the disk, so that the first start needs no pull.
preload_proxy() {
  systemctl start docker
  docker pull --quiet caddy:2 >/dev/null || say 'caddy:2 could not be pulled now; hosts pull it when they need it'
}

# check <what> <command...>: prints one line, and remembers a failure.
check() {
  local what=$1
  shift
  if "$@" >/dev/null 2>&1; then
    echo "ok    $what"
  else
    echo "FAILS $what: $*"
    failed=1
  fi
}

self_check() {
  failed=0
  check 'Node.js 22 or newer' node -e 'process.exit(Number(process.versions.node.split(".")[0]) >= 22 ? 0 : 1)'
  check 'curl signs requests' sh -c 'curl --help all | grep -q aws-sigv4'
  check 'git' git --version
  check 'cloudflared' cloudflared --version
  check 'nft' nft --version
  check 'docker' docker --version
  check 'compose v2' docker compose version
  check 'buildx' docker buildx version
  check "SSM agent $least_ssm_agent or newer" ssm_agent_is_new_enough
  check 'bootstrap' test -x "$lib/bootstrap.sh"
  check 'eph-agent' test -x /usr/bin/eph-agent
  # A host finds out at each start which form of the rule works; without either it refuses the host network.
  check 'the kernel knows who a socket belongs to' sh -c 'modprobe nft_socket || modprobe xt_cgroup'
  check 'the metadata rule is understood' sh -c \
    "$lib/eph-metadata-rule --print | nft --check --file - || iptables --match cgroup --help"
  check 'swap' test -s /swapfile
  local unit
  for unit in docker eph-metadata-rule eph-bootstrap amazon-ssm-agent; do
    check "$unit is enabled" systemctl is-enabled "$unit"
  done
  return "$failed"
}

# Two machines of one image must not share these files.
seal() {
  self_check || fail 'this machine is no host; no image is made of it'
  systemctl stop amazon-ssm-agent eph-bootstrap 2>/dev/null || true
  # With the fingerprint of another machine the SSM agent is refused, and waits for half an hour.
  rm -rf /var/lib/amazon/ssm/* /var/log/amazon/ssm/* /var/lib/eph
  rm -f /etc/ssh/ssh_host_* /home/ec2-user/.ssh/authorized_keys /root/.ssh/authorized_keys
  : >/etc/machine-id
  cloud-init clean --logs --seed
  dnf clean all --quiet
  rm -rf /tmp/eph
  sync
  say 'sealed'
}

main() {
  [[ $(id -u) == 0 ]] || fail 'run it as root'
  case ${1:-} in
    --check) self_check ;;
    --seal) seal ;;
    '') fail 'usage: provision.sh <folder> [--start] | --check | --seal' ;;
    *)
      # shellcheck source=/dev/null
      . "$1/pins.env"
      architecture >/dev/null
      install_packages
      install_node
      install_plugins
      install_files "$1"
      add_swap /swapfile /etc/fstab
      update_ssm_agent
      enable_units
      [[ ${2:-} == --start ]] || preload_proxy
      # A baked machine mounts it from its fstab, at its next boot.
      [[ ${2:-} != --start ]] || swapon --all
      [[ ${2:-} != --start ]] || systemctl start eph-metadata-rule docker eph-bootstrap
      [[ ${2:-} != --start ]] || systemctl restart amazon-ssm-agent
      ;;
  esac
}

# Tests read the functions without running the program.
[[ ${BASH_SOURCE[0]} != "$0" ]] || main "$@"

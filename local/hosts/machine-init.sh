#!/usr/bin/env bash
# First process (pid 1) of a local host, in namespaces of its own: network, mounts, processes, hostname.
# start-machine.ts starts it through unshare; when it ends, the kernel ends every process of the machine and removes
# the mounts, the network namespace and its link to the bridge. Nothing else must be undone.
#
# Boot: /run as on a fresh machine, network, dockerd, the bootstrap, both started again whenever they end. It says
# "ready" on file descriptor 3 when the engine answers. Power off (SIGTERM): the bootstrap's processes, then dockerd, which stops the containers.
#
# From the environment: MACHINE_ADDRESS (10.1.2.3/24), MACHINE_GATEWAY (empty without a way out), MACHINE_NAME, MACHINE_DISK, MACHINE_CGROUP,
# MACHINE_REGISTRY (http://host:port), MACHINE_BOOTSTRAP (a program), EPH_ROOT (under /run), HOME, TMPDIR, and
# what else the bootstrap needs.
set -euo pipefail

# Containers stop within this time or are killed. dockerd alone would wait 15 s for one that ignores SIGTERM, whatever
# --shutdown-timeout says. The platform waits a little longer before it kills the machine.
stop_seconds=4

mount -t tmpfs -o mode=755,nosuid,nodev tmpfs /run
mkdir -p /run/lock "$EPH_ROOT" "$MACHINE_DISK/docker" "$MACHINE_DISK/eph" "$TMPDIR" "$HOME"
# The agent's socket is in EPH_ROOT, and the path of a socket has at most 107 characters: this short name for it works
# however deep the checkout is.
mount --bind "$MACHINE_DISK/eph" "$EPH_ROOT"
hostname "$MACHINE_NAME"

# The platform moves the interface into this namespace as soon as it knows this process' id.
for ((i = 0; i < 500; i++)); do
  ip link show eth0 >/dev/null 2>&1 && break
  sleep 0.01
done
ip link set lo up
ip address add "$MACHINE_ADDRESS" dev eth0
ip link set eth0 up
# Without access to the internet there is no default route: an address outside the platform then fails at once (no
# route) instead of after a timeout. For the same reason the bridge's address is the name server (start-resolver.ts).
[[ -z $MACHINE_GATEWAY ]] || ip route add default via "$MACHINE_GATEWAY"
# The metadata service is for the machine and not for containers, which the hop limit of 1 stops on EC2.
# The engine keeps the contents of this chain in front of its own rules.
# https://docs.docker.com/engine/network/firewall-iptables/
metadata=${AWS_EC2_METADATA_SERVICE_ENDPOINT#http://}
iptables --new-chain DOCKER-USER
iptables --append DOCKER-USER --destination "${metadata%:*}" --protocol tcp --dport "${metadata#*:}" --jump REJECT
resolver=$(readlink -m /etc/resolv.conf)
printf 'nameserver %s\n' "${MACHINE_ADDRESS%.*}.1" >/run/resolv.conf
if [[ $resolver == /run/* ]]; then
  mkdir -p "$(dirname "$resolver")"
  cp /run/resolv.conf "$resolver"
else
  mount --bind /run/resolv.conf "$resolver"
fi

# The insecure registry has http:// in front: dockerd removes it, but without it BuildKit uses TLS.
# Other registries are reached through it too (local/images/registry-front.ts).
start_engine() {
  rm -f /run/docker.pid
  HTTPS_PROXY=$MACHINE_REGISTRY dockerd \
    --host unix:///run/docker.sock --pidfile /run/docker.pid \
    --data-root "$MACHINE_DISK/docker" --cgroup-parent "$MACHINE_CGROUP" \
    --registry-mirror "$MACHINE_REGISTRY" --insecure-registry "$MACHINE_REGISTRY" \
    --log-level warn \
    >>"$MACHINE_DISK/dockerd.log" 2>&1 3>&- &
  dockerd=$!
}

# Fails when the engine ends before it answers, or takes more than 30 s.
await_engine() {
  for ((i = 0; i < 1500; i++)); do
    curl -sf --max-time 2 --unix-socket /run/docker.sock http://engine/_ping >/dev/null 2>&1 && return
    kill -0 "$dockerd" 2>/dev/null || return
    sleep 0.02
  done
  return 1
}

# It runs in a session of its own, so that powering off reaches all processes that it started.
start_bootstrap() {
  set -m
  "$MACHINE_BOOTSTRAP" &
  bootstrap=$!
  set +m
}

# It runs in the background, so that a power off does not wait for it.
pause() {
  sleep "$1" &
  wait $! || true
}

bootstrap=''
start_engine

power_off() {
  trap '' TERM
  if [[ -n $bootstrap ]]; then
    kill -TERM -- "-$bootstrap" 2>/dev/null || true
    for ((i = 0; i < 100; i++)); do
      kill -0 -- "-$bootstrap" 2>/dev/null || break
      sleep 0.02
    done
  fi
  kill -TERM "$dockerd" 2>/dev/null || true
  for ((i = 0; i < stop_seconds * 50; i++)); do
    kill -0 "$dockerd" 2>/dev/null || break
    sleep 0.02
  done
  exit 0
}
trap power_off TERM

await_engine || exit 1
echo ready >&3
exec 3>&-
start_bootstrap

# This does what a machine's systemd does (packer/files): a program that ends is started again after 2 s. While it
# waits, bash reaps the orphans of the machine, which pid 1 must do.
while true; do
  ended=''
  wait -n -p ended "$dockerd" "$bootstrap" && code=0 || code=$?
  case $ended in
    "$bootstrap") echo "bootstrap ended with code $code; starting it again" ;;
    "$dockerd")
      echo "the engine ended with code $code; starting it again"
      # Its containers ended with it. The agent starts them when it is started.
      kill -KILL -- "-$bootstrap" 2>/dev/null || true
      pause 1
      start_engine
      await_engine || exit 1
      ;;
    *) continue ;;
  esac
  pause 2
  start_bootstrap
done

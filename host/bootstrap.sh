#!/usr/bin/env bash
# The first program that a host runs, at every boot: it fetches the agent named in the user data and becomes it.
#
#   metadata token -> user data (HostBoot, see lambdas/providers/ec2/host-boot.ts) -> agent/<sha256>.mjs from S3,
#   signed with the instance's role -> check the hash -> exec node
#
# Part of the machine image, so it knows as little as possible; everything that changes with a release of Eph
# is in the agent. Needs bash, curl >= 7.88 (Debian 12; Amazon Linux 2023 has 8) and node >= 22.
#
# From the environment: EPH_ROOT (default /var/lib/eph), AWS_EC2_METADATA_SERVICE_ENDPOINT (default
# http://169.254.169.254), AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL (default: S3 of the region).
set -euo pipefail

root=${EPH_ROOT:-/var/lib/eph}
metadata=${AWS_EC2_METADATA_SERVICE_ENDPOINT:-http://169.254.169.254}
metadata=${metadata%/}
agents=$root/agent
mkdir -p "$agents"

say() { echo "eph-bootstrap: $*"; }

# attempt <what> <function>: repeats until it works, waiting 1, 2, 4 ... 30 s in between. A host without its agent is
# of no use, so this never gives up; the control plane replaces a host that never reports.
attempt() {
  local what=$1 wait=1
  shift
  until "$@"; do
    say "$what failed, trying again in $wait s"
    sleep "$wait"
    wait=$((wait * 2 > 30 ? 30 : wait * 2))
  done
}

get_token() {
  token=$(curl --silent --show-error --fail --max-time 5 -X PUT \
    -H 'X-aws-ec2-metadata-token-ttl-seconds: 300' "$metadata/latest/api/token")
}

from_metadata() {
  curl --silent --show-error --fail --max-time 5 -H "X-aws-ec2-metadata-token: $token" "$metadata/latest/$1"
}

# Prints a member of a JSON object that is read from standard input.
# shellcheck disable=SC2016  # the dollar signs are JavaScript
member() {
  node -e 'const v = JSON.parse(require("node:fs").readFileSync(0, "utf8"))[process.argv[1]];
    if (typeof v !== "string") { console.error(`no ${process.argv[1]} in it`); process.exit(1); }
    console.log(v);' "$1"
}

read_boot() {
  get_token || return
  # The first line of a stock image's user data is for cloud-init.
  boot=$(from_metadata user-data | sed '1{/^#/d}') || return
  instance=$(from_metadata meta-data/instance-id) || return
  bucket=$(member bucket <<<"$boot") || return
  region=$(member region <<<"$boot") || return
  sha256=$(member agentSha256 <<<"$boot") || return
  [[ $sha256 =~ ^[0-9a-f]{64}$ ]] || { say "the user data names no agent"; return 1; }
  agent=$agents/$sha256.mjs
}

is_whole() { [[ -f $1 ]] && echo "$sha256  $1" | sha256sum --check --status; }

fetch_agent() {
  is_whole "$agent" && return
  local role credentials key secret session endpoint
  get_token || return
  role=$(from_metadata meta-data/iam/security-credentials/) || return
  credentials=$(from_metadata "meta-data/iam/security-credentials/${role%%$'\n'*}") || return
  key=$(member AccessKeyId <<<"$credentials") || return
  secret=$(member SecretAccessKey <<<"$credentials") || return
  session=$(member Token <<<"$credentials") || return
  endpoint=${AWS_ENDPOINT_URL_S3:-${AWS_ENDPOINT_URL:-https://s3.$region.amazonaws.com}}
  # The credentials go in by a file descriptor: arguments can be read by every process.
  curl --silent --show-error --fail --max-time 120 --aws-sigv4 "aws:amz:$region:s3" \
    --output "$agent.new" "${endpoint%/}/$bucket/agent/$sha256.mjs" --config - <<-CONFIG || return
	user = "$key:$secret"
	header = "x-amz-security-token: $session"
	header = "x-amz-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	CONFIG
  is_whole "$agent.new" || { say "what was fetched is not the agent $sha256"; return 1; }
  mv "$agent.new" "$agent"
}

# An agent whose deployment spec names another version writes that version's hash here and ends, so that a machine
# which was off during an upgrade starts with the new agent. A version that cannot be fetched, or that was started
# three times without proving that it runs (agent-proven), is given up until the next deployment spec asks for it.
take_wanted() {
  local wanted tries told=$sha256
  wanted=$(cat "$root/agent-wanted" 2>/dev/null) || return 0
  [[ $wanted =~ ^[0-9a-f]{64}$ && $wanted != "$told" ]] || return 0
  sha256=$wanted agent=$agents/$wanted.mjs
  if [[ $(cat "$root/agent-proven" 2>/dev/null) != "$wanted" ]]; then
    echo "$wanted" >>"$root/agent-tries"
    tries=$(grep -c "$wanted" "$root/agent-tries")
    ((tries <= 3)) || sha256=''
  fi
  if [[ -n $sha256 ]] && { fetch_agent || { sleep 2 && fetch_agent; }; }; then return 0; fi
  say "agent ${wanted:0:12} does not work here; going on with ${told:0:12}"
  rm -f "$root/agent-wanted" "$root/agent-tries"
  export EPH_AGENT_REFUSED=$wanted
  sha256=$told agent=$agents/$told.mjs
}

attempt 'reading the metadata' read_boot
take_wanted
say "instance $instance, agent ${sha256:0:12}"
attempt 'fetching the agent' fetch_agent
find "$agents" -name '*.mjs*' ! -name "$sha256.mjs" -delete
say 'starting the agent'
export EPH_BOOT=$boot EPH_INSTANCE_ID=$instance EPH_AGENT_SHA256=$sha256 AWS_REGION=$region
exec node "$agent"

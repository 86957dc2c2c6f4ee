#!/usr/bin/env bash
# Fetches packages of a Debian release with an apt configuration of its own and unpacks them into a folder.
#
#   dev/install-from-debian.sh [--with-dependencies [--skip <regular expression>]] [--with-apt] <release> <folder> <package>...
#
# Why not `apt-get install`: another release than the machine's may be wanted (compose v2 is in trixie, not in
# bookworm), and some packages start a service when they are installed (caddy, docker-registry, postgresql).
# Of the machine's own apt state only the mirror's address is read, nothing is written; signatures are checked
# with Debian's archive keyring as always. Needs no root.
#
# With --with-apt the folder becomes a system in which apt-get works (the list must have apt): dpkg's database says
# that the packages are installed, although none of their scripts has run, and apt's sources are this machine's.
#
# Prints the names of the packages it unpacked.
#
# Lists and .debs stay in .tools/apt/<release>: a second run fetches nothing, and apt continues what a killed run left
# incomplete. Concurrent runs wait for each other.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tools=${EPH_TOOLS:-$(dirname "$here")/.tools}

fail() {
  printf 'install-from-debian: %s\n' "$*" >&2
  exit 1
}

with_dependencies=false
with_apt=false
skip=''
while [[ ${1:-} == --* ]]; do
  case $1 in
    --with-dependencies) with_dependencies=true ;;
    --with-apt) with_apt=true ;;
    --skip)
      skip=${2:?}
      shift
      ;;
    *) fail "unknown option $1" ;;
  esac
  shift
done
[[ $# -ge 3 ]] || fail "usage: install-from-debian.sh [--with-dependencies [--skip <regex>]] [--with-apt] <release> <folder> <package>..."
release=$1 folder=$2
shift 2

for program in apt-get dpkg-deb flock; do
  command -v "$program" >/dev/null || fail "$program is missing: this works on Debian only"
done
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[[ -r $keyring ]] || fail "$keyring is missing; install the package debian-archive-keyring"

# Where this machine fetches Debian from: `<uri> <suffix>` each, the suffix being nothing, -updates or -security.
# apt knows it whatever form the sources have (one line, deb822, comments, options, variables), so ask it instead of
# reading the files.
mirrors() {
  local codename
  # shellcheck source=/dev/null
  codename=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")
  # shellcheck disable=SC2016 # $(RELEASE) is apt's own notation
  apt-get indextargets --format '$(RELEASE)|$(COMPONENT)|$(REPO_URI)' 'Created-By: Packages' |
    awk -F'|' -v base="^(${codename:-none}|stable|oldstable|testing|sid|unstable)" '
      $2 == "main" && $1 ~ base "(-updates|-security)?$" { sub(base, "", $1); print $3 " " $1 }'
}

source_for() { printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: %s\n' "$1" "$release$2" "$keyring"; }

home=$tools/apt/$release
archives=$home/cache/archives
mkdir -p "$home/lists/partial" "$archives/partial" "$home/sources" "$home/none/partial"
exec 9>"$home/lock"
flock -w 300 9 || fail "another run has held $home/lock for 5 minutes; is it stuck?"

uri=$(mirrors | awk '$2 == "" && !uri { uri = $1 } END { print uri }')
[[ -n $uri ]] || fail "apt's sources on this machine name no Debian mirror with the component main"
source_for "$uri" '' >"$home/sources/debian.sources.new"
mv "$home/sources/debian.sources.new" "$home/sources/debian.sources"
: >"$home/status"

# An empty dpkg status: dependencies are resolved as for an empty system, not for this one.
apt_get() {
  apt-get -qq \
    -o "Dir::Etc::sourcelist=$home/none/list" -o "Dir::Etc::sourceparts=$home/sources" \
    -o "Dir::Etc::preferences=$home/none/preferences" -o "Dir::Etc::preferencesparts=$home/none" \
    -o "Dir::State=$home" -o "Dir::State::lists=$home/lists" -o "Dir::State::status=$home/status" \
    -o "Dir::State::extended_states=$home/extended_states" -o "Dir::Cache=$home/cache" \
    -o Acquire::Languages=none -o Acquire::Retries=3 -o APT::Install-Recommends=false \
    -o APT::Update::Post-Invoke-Success::= -o DPkg::Post-Invoke::= "$@" 9>&-
}

# Prints the file name of each .deb and makes sure that it is in the archives.
fetch() {
  if $with_dependencies; then
    # apt leaves out what the archives have, so it gets empty archives here.
    apt_get -o "Dir::Cache::archives=$home/none" install --yes --print-uris "$@" | awk '{ print $2 }' >"$home/wanted" || return 1
    apt_get install --yes --download-only "$@" </dev/null >"$home/log" 2>&1
    return
  fi
  apt_get download --print-uris "$@" | awk '{ print $2 }' >"$home/wanted" || return 1
  local name
  while read -r name; do
    [[ -e $archives/$name ]] || break
  done <"$home/wanted"
  [[ -z ${name:-} ]] || (cd "$archives/partial" && apt_get download "$@" >"$home/log" 2>&1 && mv -- *.deb ..)
}

if ! fetch "$@" 2>"$home/log"; then
  # No lists yet, or lists so old that the mirror has newer files by now.
  apt_get update >"$home/log" 2>&1 || fail "the package lists of $release could not be fetched from the mirror: $(tail -n 3 "$home/log")"
  fetch "$@" 2>"$home/log" || fail "fetching $* from $release failed: $(tail -n 3 "$home/log")"
fi

# Writes what dpkg would have recorded if it had installed the package whose files are listed: deb-control(5),
# dpkg(1). A hundred packages are recorded, so it starts few programs.
record() {
  local deb=$1 files=$2 database=$folder/var/lib/dpkg control name
  control=$(dpkg-deb --field "$deb")
  name=$(field Package)
  # The name contains the architecture where several can be installed beside each other.
  [[ $(field Multi-Arch) != same ]] || name+=:$(field Architecture)
  mkdir -p "$database/info" "$database/updates"
  dpkg-deb --ctrl-tarfile "$deb" |
    tar -x -C "$database/info" --exclude ./control --transform "s,^\\./,$name.," --wildcards './?*'
  sed 's,^\.,,; s,/$,,; s,^$,/.,' "$files" >"$database/info/$name.list"
  {
    printf '%s\nStatus: install ok installed\n' "$control"
    conffiles "$database/info/$name.conffiles"
    echo
  } >>"$database/status"
  echo 1 >"$database/info/format"
}

# field <name>: the value from $control, put into the variable instead of printed by a program.
field() {
  [[ $'\n'$control =~ $'\n'"$1: "([^$'\n']+) ]] && printf '%s' "${BASH_REMATCH[1]}"
}

conffiles() {
  [[ -e $1 ]] || return 0
  echo Conffiles:
  (cd "$folder" && sed -n 's,^/,,p' "$1" | xargs -r md5sum 2>/dev/null | sed -E 's,^(\S+)\s+(.*), /\2 \1,') || true
}

# apt in the folder fetches from the same mirror as this machine, through the same proxy.
hand_on_sources() {
  mkdir -p "$folder/etc/apt/sources.list.d" "$folder/etc/apt/apt.conf.d"
  local uri suffix
  while read -r uri suffix; do
    source_for "$uri" "$suffix"
    echo
  done < <(mirrors | sort -u) >"$folder/etc/apt/sources.list.d/debian.sources"
  apt-config dump | grep -E '^Acquire::https?::Proxy ' >"$folder/etc/apt/apt.conf.d/90proxy" || true
}

mkdir -p "$folder"
while read -r deb; do
  name=${deb%%_*}
  [[ -n $skip && $name =~ $skip ]] && continue
  printf '%s\n' "$name"
  # Into a folder where bin and lib are links into usr (as on every Debian since 12) packages must not
  # replace the link by a folder.
  dpkg-deb --fsys-tarfile "$archives/$deb" | tar -xv --keep-directory-symlink -C "$folder" >"$home/files"
  ! $with_apt || record "$archives/$deb" "$home/files"
done <"$home/wanted"
! $with_apt || hand_on_sources

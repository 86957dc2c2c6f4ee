#!/usr/bin/env bash
# Checks every shell script of the repository with shellcheck, and the definition of the machine image with packer
# fmt.
#
# Both programs are taken from PATH, else unpacked from Debian packages into .tools/lint; no root needed. Neither
# is in npm as more than something that downloads it. `packer fmt` of Debian's old release reads today's
# templates; `packer validate` of it does not, so tests read the parsed template instead (tests/packer).
set -euo pipefail
cd "$(dirname "$0")/.."

lint=${EPH_TOOLS:-$PWD/.tools}/lint
export CHECKPOINT_DISABLE=1

fetch() {
  local unpacked
  mkdir -p "$lint/bin"
  unpacked=$(mktemp -d "$lint/unpack.XXXXXX")
  ./dev/install-from-debian.sh bookworm "$unpacked" "$1" >"$lint/log"
  mv "$unpacked/usr/bin/$1" "$lint/bin/$1"
  rm -rf "$unpacked"
}

for program in shellcheck packer; do
  command -v "$program" >/dev/null || [[ -x $lint/bin/$program ]] || fetch "$program"
done
PATH=$PATH:$lint/bin

# Scripts are recognised by their first line: some have no ending (eph-agent).
mapfile -t scripts < <(git grep -lIE '^#!/(bin|usr/bin)/(env )?(ba)?sh( |$)' -- ':!*.ts' ':!*.md')
# This script has no first line, because it is prepared for an image's own shell.
mapfile -t -O "${#scripts[@]}" scripts < <(git ls-files 'local/images/prepare/*.sh')
shellcheck --external-sources "${scripts[@]}"
packer fmt -check -diff packer
echo "${#scripts[@]} scripts and packer/ are clean"

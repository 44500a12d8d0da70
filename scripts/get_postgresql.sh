#!/usr/bin/env bash
# Installs PostgreSQL's programs from Debian's packages, as root, for the tests that start a server of their own. No
# server is made or started. Where the programs are there already, nothing is done.
#
#     scripts/get_postgresql.sh
set -euo pipefail

fail() {
  echo "get_postgresql.sh: $*" >&2
  exit 1
}

if compgen -G '/usr/lib/postgresql/*/bin/initdb' || command -v initdb; then
  echo "PostgreSQL is already there; nothing to do"
  exit 0
fi
command -v apt-get >/dev/null || fail "there is no apt-get; install PostgreSQL's server in another way"
((EUID == 0)) || fail "only root can install packages; run: sudo apt-get install postgresql"

export DEBIAN_FRONTEND=noninteractive
readonly options=(-qq --no-install-recommends -o "Dpkg::Options::=--force-confold")
# One source of many may be out of reach, so it is the installation that tells.
apt-get -qq update || true
apt-get install "${options[@]}" postgresql-common || fail "PostgreSQL could not be installed"
# Debian would make a server and start it; its packages ask this file first.
sed -i -E 's/^#?create_main_cluster .*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf
apt-get install "${options[@]}" postgresql || fail "PostgreSQL could not be installed"

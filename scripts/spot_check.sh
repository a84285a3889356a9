#!/usr/bin/env bash
# A few cells of a shipped scale trained on this machine, and their numbers held against the shipped ones.
# usage: spot_check.sh FOLDER-OF-PROGRAMS [SCALE [EXPERIMENT/CELL ...]]; without cells two of those that are shipped
set -euo pipefail
cd "$(dirname "$0")/.."
bin=$1 scale=${2:-laptop}
shipped=results/shipped/$scale out=build/spot_check/$scale
[ -d "$shipped" ] || { echo "no results of scale $scale are shipped: $shipped does not exist" >&2; exit 1; }

# These two where the scale has them, else the first ones of its list.
two() {
    local cells
    cells=$(awk -F, 'NR > 1 { print $1 "/" $2 "-" $3 "-" $4 ($5 == "standard" ? "" : "-" $5 "_prior") }' "$shipped/runs.csv")
    {
        grep -Fx -e linear/dense-sum_pooling-masked -e multimodal/complete-sum_pooling-masked-mixture_prior <<< "$cells" || true
        echo "$cells"
    } | awk '!seen[$0]++ && ++count <= 2'
}
# shellcheck disable=SC2046
[ $# -gt 2 ] && shift 2 || set -- $(two)

runs=()
for cell in "$@"; do runs+=("results/$scale/$cell"); done
"$bin/snakemake" --cores all --config scale="$scale" -- "${runs[@]/%//metrics.csv}"
"$bin/pimvae" collect --out "$out" "${runs[@]}"
"$bin/pimvae" compare --fresh "$out" --shipped "$shipped" --out "$out/compare" > "$out/compare.log"
echo "$* at scale $scale, this machine ($(uname -m)) against the shipped run:"
tail -n 1 "$out/compare.log"

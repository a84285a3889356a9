#!/usr/bin/env bash
# Everything about GPUs, on a machine that has one: tests, benchmarks, cells of two scales, in ten minutes.
# usage: gpu_check.sh [--device cuda|cpu] [--quick] [--seconds N] [--out FOLDER] [--runs FOLDER] [--bundle FOLDER]
#   --seconds for everything (default 600)
#   --out     what is to be brought home (default $OUT, or results/gpu-check)
#   --runs    cells (default results/gpu-check/runs): called again, it goes on where it stopped
#   --bundle  what 'make gpu-bundle' made (default build/gpu-bundle)
# PYTHON=... in the environment: that of torch (default python3). Needs no network and changes nothing but these folders.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-python3} bundle=$root/build/gpu-bundle out=${OUT:-$root/results/gpu-check}
options=()
while [ $# -gt 0 ]; do
    case $1 in
        --bundle | --out)
            [ $# -gt 1 ] || { echo "gpu-check: error: $1 needs a folder" >&2; exit 1; }
            if [ "$1" = --out ]; then out=$2; else bundle=$2; fi
            shift
            ;;
        *) options+=("$1") ;;
    esac
    shift
done

if ! compgen -G "$bundle/*.whl" > /dev/null; then
    echo "gpu-check: error: no wheels in $bundle: run 'make gpu-bundle' where there is a network, and bring that folder" >&2
    exit 1
fi
# A wheel is an archive of what belongs on the path: no pip is needed, nor a virtual environment.
site=$(mktemp -d)
trap 'rm -rf "$site"' EXIT
for wheel in "$bundle"/*.whl; do
    "$python" -m zipfile -e "$wheel" "$site"
done
export PYTHONPATH=$root/src:$root:$site OMP_NUM_THREADS=1 PYTHONUNBUFFERED=1 MPLBACKEND=agg
PIMVAE_BUNDLE_COMMIT=$(cat "$bundle/commit" 2> /dev/null || true)
export PIMVAE_BUNDLE_COMMIT
"$python" "$root/scripts/gpu_check.py" --out "$out" ${options[@]+"${options[@]}"}

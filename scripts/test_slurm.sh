#!/usr/bin/env bash
# The smoke scale through the SLURM executor: every table must have the same bytes as after a local run.
# usage: test_slurm.sh BIN [LOCAL [PATH ...]]
#   BIN    folder with the programs snakemake and python
#   LOCAL  a copy of this repository where the smoke scale was run locally; made below build/ if empty or absent
#   PATH   what to make again on the cluster, below results/smoke, as patterns (default: '*/*', everything)
# Tables, figures and claims are made again on the cluster in any case. LOCAL is changed in place.
# EXPERIMENTS=linear,bimodal in the environment: these alone (a LOCAL that is given must have run the same ones).
set -euo pipefail
bin=$(realpath "$1") local=${2:-} root=$(realpath "$(dirname "$0")/..")
shift $(($# > 2 ? 2 : $#))
paths=("$@")
[ ${#paths[@]} -gt 0 ] || paths=('*/*')
settings=(--config scale=smoke ${EXPERIMENTS:+"experiments=[$EXPERIMENTS]"})
# This SLURM has no accounting, and jobs take seconds. Trainings ask for the stand-in GPU.
here=(--slurm-no-account --slurm-status-command squeue --slurm-init-seconds-before-status-checks 4 --latency-wait 10
    --retries 0 --set-resources train:gpu=1)
unset OMP_NUM_THREADS # Snakemake sets it from each rule's threads, as in any other run

if ! reason=$("$root/scripts/slurm.sh" check); then
    echo "test-slurm: skipped: $reason"
    exit 0
fi
"$root/scripts/slurm.sh" install
work=$(mktemp -d)
chmod 755 "$work"
trap '"$root/scripts/slurm.sh" stop "$work"; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

run_locally() {
    local=$root/build/slurm
    rm -rf "$local"
    mkdir -p "$local"
    (cd "$root" && cp -R config paper src workflow Snakefile profiles "$local/")
    echo "test-slurm: smoke scale locally, in build/slurm"
    (cd "$local" && "$bin/snakemake" --cores all "${settings[@]}" > "$work/local.log" 2>&1) || fail "$work/local.log"
}

fail() {
    tail -n 60 "$1"
    echo "test-slurm: failed" >&2
    exit 1
}

# Measured times differ from run to run: the table of times is left out, and those columns of runs.csv.
keep() {
    mkdir -p "$work/$1"
    cp paper/tables/smoke/*.tex results/smoke/metrics.csv results/smoke/history.csv "$work/$1/"
    rm -f "$work/$1/t9_compute.tex" "$work/$1/macros.tex"
    "$bin/python" -c 'import csv, sys
times = {"ms_per_step", "seconds"}
for row in csv.DictReader(open("results/smoke/runs.csv")):
    print(*(value for name, value in row.items() if name not in times), sep=",")' > "$work/$1/runs.csv"
}

[ -n "$local" ] || run_locally
cd "$local"
keep local
for path in "${paths[@]}"; do
    (cd results/smoke && compgen -G "$path" | grep -v '^\(logs\|benchmarks\)/' | xargs --no-run-if-empty rm -r)
done
rm -rf results/smoke/*.csv results/smoke/claims.txt paper/tables/smoke figures/smoke

"$root/scripts/slurm.sh" start "$work"
device=$(srun --gpus=1 bash -c 'echo "$CUDA_VISIBLE_DEVICES"')
[ "$device" = 0 ] || { echo "test-slurm: the stand-in GPU shows as '$device', not as 0" >&2; exit 1; }
start=$SECONDS
"$bin/snakemake" --workflow-profile workflow/profiles/slurm "${here[@]}" "${settings[@]}" > "$work/cluster.log" 2>&1 || fail "$work/cluster.log"
keep cluster
jobs=$(grep -c 'has been submitted with SLURM jobid' "$work/cluster.log")
diff -r "$work/local" "$work/cluster" || fail "$work/cluster.log"
tables=$(find "$work/cluster" -name '*.tex' | wc -l)
echo "test-slurm: $jobs jobs through SLURM in $((SECONDS - start)) s; $tables tables, all metrics and histories equal byte for byte"

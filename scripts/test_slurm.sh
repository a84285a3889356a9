#!/usr/bin/env bash
# The smoke scale through the SLURM executor: every table must have the same bytes as after a local run.
# usage: test_slurm.sh BIN [LOCAL [PATH ...]]
#   BIN    folder with the programs snakemake and python
#   LOCAL  a copy of this repository where the smoke scale was run locally; made in build/slurm if empty or absent
#   PATH   what to make again on the cluster, below results/smoke, as patterns (default: '*/*', everything)
# Tables and claims are made again on the cluster in any case, figures and the rest of the report only with everything.
# LOCAL is changed in place.
# EXPERIMENTS=linear,bimodal in the environment: these alone (a LOCAL that is given must have run the same ones).
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd -P)

main() {
    bin=$(cd "$1" && pwd) local=${2:-}
    shift $(($# > 2 ? 2 : $#))
    settings=(--config scale=smoke ${EXPERIMENTS:+"experiments=[$EXPERIMENTS]"})
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

    [ -n "$local" ] || run_locally
    cd "$local"
    keep local
    targets=()
    [ $# = 0 ] || targets=(paper/tables/smoke/*.tex results/smoke/claims.txt)
    remove "${@:-*/*}"
    "$root/scripts/slurm.sh" start "$work"
    check_gpu
    run_on_cluster
    keep cluster
    diff -r "$work/local" "$work/cluster" || fail "the results above differ between the local run and the cluster's"
    report
}

run_locally() {
    local=$root/build/slurm
    rm -rf "$local"
    mkdir -p "$local"
    (cd "$root" && cp -R config notebooks paper pyproject.toml src tests workflow Snakefile profiles "$local/")
    echo "test-slurm: smoke scale locally, in $local"
    (cd "$local" && "$bin/snakemake" --cores all "${settings[@]}" > local.log 2>&1) || {
        tail -n 40 "$local/local.log"
        fail "the local run; its log is $local/local.log"
    }
}

# Measured times and memory differ from run to run: the table and macros that show them are left out, and columns of
# runs.csv.
keep() {
    mkdir -p "$work/$1"
    cp paper/tables/smoke/*.tex results/smoke/metrics.csv results/smoke/history.csv "$work/$1/"
    rm -f "$work/$1"/t9_compute*.tex "$work/$1/macros.tex"
    "$bin/python" -c 'import csv
measured = {"ms_per_step", "seconds", "memory_mib"}
for row in csv.DictReader(open("results/smoke/runs.csv")):
    print(*(value for name, value in row.items() if name not in measured), sep=",")' > "$work/$1/runs.csv"
}

remove() {
    local path found
    for path in "$@"; do
        found=$(cd results/smoke && compgen -G "$path" | grep -Ev '^(logs|benchmarks)/') ||
            fail "nothing in $PWD/results/smoke fits '$path'"
        (cd results/smoke && xargs rm -r <<< "$found")
    done
    rm -rf results/smoke/*.csv results/smoke/claims.txt paper/tables/smoke
    [ ${#targets[@]} -gt 0 ] || rm -rf figures/smoke
}

check_gpu() {
    local device
    device=$(srun --gpus=1 bash -c 'echo "${CUDA_VISIBLE_DEVICES:-none}"')
    [ "$device" = 0 ] || fail "the stand-in GPU shows as '$device', not as 0"
}

run_on_cluster() { # this SLURM has no accounting, and its jobs take seconds; trainings ask for the stand-in GPU
    started=$SECONDS
    "$bin/snakemake" --workflow-profile workflow/profiles/slurm --retries 0 --set-resources train:gpu=1 \
        --slurm-no-account --slurm-status-command squeue --slurm-init-seconds-before-status-checks 4 \
        --latency-wait 10 --cores "$(getconf _NPROCESSORS_ONLN)" "${settings[@]}" -- "${targets[@]}" > slurm.log 2>&1 || {
        tail -n 60 slurm.log
        fail "the run through SLURM; its log is $PWD/slurm.log"
    }
}

report() {
    local jobs on_gpu tables
    jobs=$(grep -c 'has been submitted with SLURM jobid' slurm.log)
    on_gpu=$(($(scontrol show jobs | grep -c '^ *TresPerJob=.*gpu') - 1)) # the check of the stand-in was one
    [ "$on_gpu" -gt 0 ] || fail "no training asked for a GPU"
    tables=$(find "$work/cluster" -name '*.tex' | wc -l)
    echo "test-slurm: $jobs jobs through SLURM in $((SECONDS - started)) s, $on_gpu of them with the stand-in" \
        "GPU: $tables tables, all metrics and histories have the same bytes as locally"
}

fail() {
    echo "test-slurm: failed: $1" >&2
    exit 1
}

main "$@"

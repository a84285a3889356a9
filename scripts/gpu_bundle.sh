#!/usr/bin/env bash
# Wheels for a machine that has a GPU, Python 3.12 and torch, but no network: scripts/gpu_check.sh works from them there.
# usage: gpu_bundle.sh PYTHON [FOLDER]; FOLDER (default build/gpu-bundle) is made anew, of at most 60 MiB
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
python=$1 folder=${2:-$root/build/gpu-bundle} most=60

# What the package, its tests and its data need beyond torch, numpy, scipy, scikit-learn, pandas and matplotlib with what
# these bring: that is large, and such a machine has it. In the versions of requirements.lock.
wheels="annotated-types beartype certifi charset-normalizer hypothesis idna iniconfig jaxtyping mlxtend packaging
    platformdirs pluggy pooch pydantic pydantic-core pygments pytest pyyaml requests safetensors sortedcontainers tqdm
    typing-extensions typing-inspection urllib3 wadler-lindig"

pinned=$(mktemp)
trap 'rm -f "$pinned"' EXIT
for name in $wheels; do
    grep -m 1 "^$name==" "$root/requirements.lock" || {
        echo "gpu-bundle: error: requirements.lock has no $name" >&2
        exit 1
    }
done > "$pinned"

rm -rf "$folder"
mkdir -p "$folder"
platforms=$(for libc in 28 27 24 17 12 5; do echo "--platform manylinux_2_${libc}_x86_64"; done)
# shellcheck disable=SC2086
"$python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --python-version 3.12 \
    $platforms --platform manylinux2014_x86_64 --dest "$folder" --requirement "$pinned" --implementation cp
git -C "$root" describe --always --dirty > "$folder/commit" 2> /dev/null || true
size=$(($(du -sk "$folder" | cut -f 1) / 1024 + 1))
count=$(find "$folder" -name '*.whl' | wc -l | tr -d ' ')
if [ "$size" -gt "$most" ]; then
    echo "gpu-bundle: error: $count wheels take $size MiB, more than $most: $folder" >&2
    exit 1
fi
echo "gpu-bundle: $count wheels, $size MiB (at most $most), in $folder"

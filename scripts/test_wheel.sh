#!/usr/bin/env bash
# Build the wheel, install it into an empty virtual environment, run the examples of docs/api.md and the command line there.
# usage: test_wheel.sh [PYTHON] [oldest]; 'oldest' takes the oldest versions that pyproject.toml allows, else the newest.
set -euo pipefail
python=${1:-python3} which=${2:-newest}
root=$(cd "$(dirname "$0")/.." && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

"$python" -m venv "$folder/venv"
bin=$folder/venv/bin
"$bin/pip" install --quiet --disable-pip-version-check 'setuptools>=77' wheel
# From a copy: a build leaves folders in the tree that it is made from.
mkdir "$folder/tree"
tar -C "$root" -cf - pyproject.toml setup.py README.md LICENSE src config | tar -C "$folder/tree" -xf -
"$bin/pip" wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir "$folder" "$folder/tree"
# Of torch always the locked version: others come with gigabytes for GPUs.
grep '^torch==' "$root/requirements.lock" > "$folder/constraints"
if [ "$which" = oldest ]; then
    sed -nE '/^dependencies = \[/,/^\]/s/^ *"([a-zA-Z0-9_-]+)>=([0-9.]+).*/\1==\2/p' "$root/pyproject.toml" |
        grep -v '^torch==' >> "$folder/constraints"
fi
"$bin/pip" install --quiet --disable-pip-version-check --constraint "$folder/constraints" "$folder"/pimvae-*.whl
for absent in snakemake jupyter mlxtend pytest; do
    if "$bin/python" -c "import $absent" 2> /dev/null; then
        echo "the wheel brings $absent" >&2
        exit 1
    fi
done
cd "$folder"
"$bin/python" - "$root/docs/api.md" << 'CODE'
import re
import sys
from pathlib import Path

names = {}
for block in re.findall(r"```python\n(.*?)```", Path(sys.argv[1]).read_text(encoding="utf-8"), flags=re.DOTALL):
    exec(compile(block, "api.md", "exec"), names)
CODE
"$bin/python" -c "import numpy; g = numpy.random.default_rng(0)
numpy.savez('my.npz', x=g.normal(size=(60, 3)), y=g.normal(size=(60, 2)), word=g.integers(3, size=60))"
"$bin/pimvae" train --data my.npz --test-fraction 0.2 --seeds 1 --set train.steps=20
"$bin/pimvae" evaluate --data my.npz > /dev/null
"$bin/pimvae" impute --run results/own/my-sum_pooling-masked
test -s results/own/my-sum_pooling-masked/report.html
"$bin/pimvae" cells --scale smoke linear > /dev/null # config/ is in the wheel
echo "wheel: $(basename "$folder"/pimvae-*.whl) works alone, with the $which versions: $("$bin/pip" list --format=freeze |
    grep -E '^(numpy|pandas|torch|scikit-learn)==' | tr '\n' ' ')"

#!/usr/bin/env bash
# What conda does with the pip part of environment.yml, in an empty virtual environment that stands in for conda's.
# usage: try_environment.sh [PYTHON [FOLDER]]: FOLDER is made anew and removed afterwards
set -euo pipefail
cd "$(dirname "$0")/.."
python=${1:-python3} folder=${2:-build/environment}

# conda writes the lines to a file beside environment.yml and runs pip there.
list=condaenv.$$.requirements.txt
trap 'rm -f "$list"; rm -rf "$folder"' EXIT
sed -n '/^  - pip:$/,$ s/^      - //p' environment.yml > "$list"
[ -s "$list" ] || { echo "environment.yml has no part for pip" >&2; exit 1; }

rm -rf "$folder"
"$python" -m venv "$folder"
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check -U -r "$list" --exists-action=b
"$folder/bin/python" -m pip check
"$folder/bin/pimvae" --version
"$folder/bin/python" - << 'END'
import importlib.metadata, pathlib, sys

lines = [line for line in pathlib.Path("requirements.lock").read_text().splitlines() if not line.startswith("#")]
same, absent, wrong = [], [], []
for name, version in (line.split("==") for line in lines):
    try:
        found = importlib.metadata.version(name).partition("+")[0]
    except importlib.metadata.PackageNotFoundError:
        absent.append(name)  # needed by other versions of Python only
        continue
    (same if found == version else wrong).append(f"{name} {found}, locked {version}")
print(f"Python {sys.version.split()[0]}: {len(same)} of {len(lines)} packages as in requirements.lock,",
      f"not needed: {', '.join(absent) or 'none'}")
sys.exit("; ".join(wrong) or 0)
END

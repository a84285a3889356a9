#!/usr/bin/env bash
# Create a virtual environment and install this package into it. usage: install.sh PYTHON VENV REQUIREMENT
set -euo pipefail
python=$1 venv=$2 requirement=$3

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null; then
    echo "pimvae needs Python 3.11 or newer as '$python'; name another one with: make PYTHON=/path/to/python3" >&2
    exit 1
fi
if [ ! -x "$venv/bin/python" ]; then
    if ! "$python" -c 'import ensurepip, venv' 2> /dev/null; then # Debian keeps them in a package of their own
        if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
            apt-get update -qq
            DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-venv
        else
            echo "'$python' has no venv module; on Debian: sudo apt-get install python3-venv" >&2
            exit 1
        fi
    fi
    echo "creating $venv"
    "$python" -m venv "$venv"
fi
echo "installing $requirement into $venv (torch is large: this can take minutes)"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    --constraint "$(dirname "$0")/../requirements.lock" --editable "$requirement"

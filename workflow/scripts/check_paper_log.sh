#!/usr/bin/env bash
# Print what a LaTeX log says that a reader of the paper would see: undefined references, boxes that stick out by 10 pt
# or more, characters without a glyph, numbers that were not generated. No output: all is well. usage: check_paper_log.sh LOG
set -euo pipefail
grep -aE "^(LaTeX|Package natbib) Warning: .*(undefined|multiply)|^Overfull .[hv]box \([1-9][0-9]+\.|^Missing character|^Package pimvae Warning" "$1" | sort -u || true

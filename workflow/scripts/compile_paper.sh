#!/usr/bin/env bash
# Compile SOURCE/MAIN.tex to OUTPUT. Generated tables and figures are found beside OUTPUT (tables/, ../figures/).
# usage: compile_paper.sh SOURCE OUTPUT MAIN
set -euo pipefail
source=$(cd "$1" && pwd -P) # not every system has realpath
output=$(cd "$(dirname "$2")" && pwd -P)/$(basename "$2")
main=$3
check=$(cd "$(dirname "$0")" && pwd -P)/check_paper_log.sh
# Without dates in it, the PDF is byte-identical for identical results.
export SOURCE_DATE_EPOCH=0 FORCE_SOURCE_DATE=1
export max_print_line=1000 # one warning, one line of the log

cd "$(dirname "$output")"
mkdir -p build
if command -v latexmk > /dev/null; then
    export TEXINPUTS=".:$source:" BIBINPUTS=".:$source:"
    latexmk -pdf -interaction=nonstopmode -halt-on-error -file-line-error -outdir=build "$source/$main.tex"
else
    [ "$source" = "$PWD" ] || cp -r "$source"/*.tex "$source"/*.bib "$source"/sections . # tectonic has no search path
    tectonic --chatter minimal --outdir build "$main.tex"
fi
mv "build/$main.pdf" "$output"
faults=$([ ! -f "build/$main.log" ] || bash "$check" "build/$main.log")
if [ -n "$faults" ]; then
    printf 'typesetting faults:\n%s\n' "$faults" >&2
fi

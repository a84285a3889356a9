#!/usr/bin/env bash
# Compile SOURCE/MAIN.tex to OUTPUT. Generated tables and figures are found beside OUTPUT (tables/, ../figures/).
# usage: compile_paper.sh SOURCE OUTPUT MAIN
set -euo pipefail
source=$(realpath "$1")
output=$(realpath -m "$2")
main=$3
# Without dates in it, the PDF is byte-identical for identical results.
export SOURCE_DATE_EPOCH=0 FORCE_SOURCE_DATE=1

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

# Trains and evaluates every cell, then writes tables, figures and the paper. Start with: snakemake --cores all
import sys
from pathlib import Path

from snakemake.utils import min_version

min_version("9.0")


configfile: Path(workflow.basedir) / "config" / "config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/paper.smk"


rule all:
    default_target: True
    input:
        FIGURE_FILES,
        TABLE_FILES,
        f"{RESULTS}/claims.txt",
        PAPER_FILES,
    message:
        "all done"


include: "workflow/rules/beyond.smk"


onstart:
    if LATEX is None:
        print(LATEX_MISSING, file=sys.stderr)


onsuccess:
    print(closing_words(), file=sys.stderr)


onerror:
    print(
        "\nSome jobs failed; their logs are shown above and lie below "
        f"{RESULTS}/logs. Run the same command again to go on: what is finished is kept.",
        file=sys.stderr,
    )

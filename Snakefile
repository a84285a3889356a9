# Trains and evaluates every cell, then writes tables, figures and the paper. Start with: snakemake --cores all
import sys
from pathlib import Path

from snakemake.utils import min_version

min_version("9.0")


report: "workflow/report/workflow.rst"


configfile: Path(workflow.basedir) / "config" / "config.yaml"


include: "workflow/rules/common.smk"


if CONFIG.shipped:

    include: "workflow/rules/shipped.smk"

else:

    include: "workflow/rules/data.smk"
    include: "workflow/rules/train.smk"
    include: "workflow/rules/evaluate.smk"
    include: "workflow/rules/collect.smk"


include: "workflow/rules/report.smk"
include: "workflow/rules/paper.smk"
include: "workflow/rules/notebooks.smk"


rule all:
    default_target: True
    input:
        FIGURE_FILES,
        TABLE_FILES,
        f"{RESULTS}/claims.txt",
        PAPER_FILES,
        WEBPAGES,
        NOTEBOOK_FILES if HAS_NOTEBOOKS else [],
    message:
        "all done"


if not CONFIG.shipped:

    include: "workflow/rules/beyond.smk"


onstart:
    if LATEX is None:
        print(LATEX_MISSING, file=sys.stderr)
    if not HAS_NOTEBOOKS:
        print(NOTEBOOKS_MISSING, file=sys.stderr)


onsuccess:
    print(closing_words(), file=sys.stderr)


onerror:
    print(
        "\nSome jobs failed; their logs are shown above and lie below "
        f"{RESULTS}/logs. Run the same command again to go on: what is finished is kept.",
        file=sys.stderr,
    )

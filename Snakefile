# The workflow is workflow/Snakefile; from here it is found by: snakemake --cores all
include: "workflow/Snakefile"

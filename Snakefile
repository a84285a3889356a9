# The workflow is workflow/Snakefile; this file lets 'snakemake' find it, and jobs of a cluster its root.
include: "workflow/Snakefile"


workflow.default_target = "all"  # which Snakemake takes from no file that is included

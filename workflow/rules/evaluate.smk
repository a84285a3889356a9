# One job per cell: exact and sampled metrics of the trained models.
rule evaluate:
    input:
        data=cell_data,
        run=multiext(
            f"{RESULTS}/{{experiment}}/{{cell}}/", "weights.safetensors", "run.json"
        ),
        sources=lambda wildcards: local(
            provenance.evaluation_sources(cell_of(wildcards))
        ),
    output:
        metrics=f"{RESULTS}/{{experiment}}/{{cell}}/metrics.csv",
    log:
        f"{RESULTS}/logs/{{experiment}}/{{cell}}-evaluate.log",
    benchmark:
        f"{RESULTS}/benchmarks/{{experiment}}/{{cell}}-evaluate.tsv"
    wildcard_constraints:
        cell="|".join(cell.name for cell in CONFIG.cells if not has_examples(cell)),
    conda:
        ENVIRONMENT
    threads: 1
    params:
        command=f"{PIMVAE} evaluate",
        options=SCALE_OPTIONS,
        data=cell_data_folder,
        run=subpath(output.metrics, parent=True),
        settings=lambda wildcards: as_json(cell_of(wildcards).evaluation),
    message:
        "evaluate {wildcards.experiment}/{wildcards.cell}"
    shell:
        "{params.command} {wildcards.experiment} {wildcards.cell} --data {params.data} --run {params.run}"
        " {params.options} > {log} 2>&1"


use rule evaluate as evaluate_images with:
    output:
        metrics=f"{RESULTS}/{{experiment}}/{{cell}}/metrics.csv",
        examples=f"{RESULTS}/{{experiment}}/{{cell}}/examples.npz",
    wildcard_constraints:
        cell="|".join(cell.name for cell in CONFIG.cells if has_examples(cell)),

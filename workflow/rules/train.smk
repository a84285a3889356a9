# One job per cell: all of its seeds are trained as one program, or with '--set-threads train=N' as N side by side.
rule train:
    input:
        data=cell_data,
        manifest=cell_manifest,
    output:
        weights=f"{RESULTS}/{{experiment}}/{{cell}}/weights.safetensors",
        history=f"{RESULTS}/{{experiment}}/{{cell}}/history.csv",
        record=f"{RESULTS}/{{experiment}}/{{cell}}/run.json",
    log:
        f"{RESULTS}/logs/{{experiment}}/{{cell}}-train.log",
    benchmark:
        f"{RESULTS}/benchmarks/{{experiment}}/{{cell}}-train.tsv"
    priority: urgency_of
    group:
        CELLS
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        **needs(lambda wildcards: PLAN.training(cell_of(wildcards), CONFIG.device)),
        gpu=int(CONFIG.device == "cuda"),  # for schedulers that hand out whole ones
        gpu_share=once(lambda wildcards: PLAN.gpu_share(cell_of(wildcards), CONFIG)),
    params:
        command=f"{PIMVAE} train",
        options=f"{CELL_OPTIONS} --device {CONFIG.device}",
        checkpoint=f"{RESULTS}/checkpoints/{{experiment}}/{{cell}}.safetensors",
        data=cell_data_folder,
        out=subpath(output.record, parent=True),
        sources=lambda wildcards: provenance.digest(provenance.training_sources(cell_of(wildcards))),
        settings=lambda wildcards: as_json(cell_of(wildcards).model_dump(mode="json", exclude={"evaluation"})),
    message:
        "train {wildcards.experiment}/{wildcards.cell}"
    shell:
        "{params.command} {wildcards.experiment} {wildcards.cell} --data {params.data} --out {params.out}"
        " {params.options} --checkpoint {params.checkpoint} --processes {threads} > {log} 2>&1"

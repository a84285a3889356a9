# One job per cell: exact and sampled metrics of the trained models.
rule evaluate:
    input:
        data=cell_data,
        manifest=cell_manifest,
        classifiers=cell_classifiers,
        run=multiext(f"{RESULTS}/{{experiment}}/{{cell}}/", "weights.safetensors", "run.json"),
    output:
        metrics=f"{RESULTS}/{{experiment}}/{{cell}}/metrics.csv",
        seal=f"{RESULTS}/{{experiment}}/{{cell}}/metrics.json",
    log:
        f"{RESULTS}/logs/{{experiment}}/{{cell}}-evaluate.log",
    benchmark:
        f"{RESULTS}/benchmarks/{{experiment}}/{{cell}}-evaluate.tsv"
    wildcard_constraints:
        cell=one_of(cell.name for cell in WORKFLOW.cells if not cell.has_examples),
    priority: urgency_of
    group:
        CELLS
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        **needs(lambda wildcards: PLAN.evaluation(cell_of(wildcards), CONFIG.device)),
        gpu=lambda wildcards: int(PLAN.evaluation_share(cell_of(wildcards), CONFIG) > 0),
        gpu_share=once(lambda wildcards: PLAN.evaluation_share(cell_of(wildcards), CONFIG)),
    params:
        command=f"{PIMVAE} evaluate",
        options=CELL_OPTIONS,
        data=cell_data_folder,
        run=subpath(output.metrics, parent=True),
        sources=lambda wildcards: provenance.digest(provenance.evaluation_sources(cell_of(wildcards))),
        settings=lambda wildcards: as_json(cell_of(wildcards).evaluation),
    message:
        "evaluate {wildcards.experiment}/{wildcards.cell}"
    shell:
        "{params.command} {wildcards.experiment} {wildcards.cell} --data {params.data} --run {params.run}"
        " {params.options} > {log} 2>&1"


use rule evaluate as evaluate_examples with:
    output:
        metrics=f"{RESULTS}/{{experiment}}/{{cell}}/metrics.csv",
        seal=f"{RESULTS}/{{experiment}}/{{cell}}/metrics.json",
        examples=f"{RESULTS}/{{experiment}}/{{cell}}/examples.npz",
    wildcard_constraints:
        cell=one_of(cell.name for cell in WORKFLOW.cells if cell.has_examples),


# Jobs per data set, all of its seeds: simple models fitted to its training samples and, where it is known, the
# log-likelihood under the model that generated it.
for dataset in WORKFLOW.datasets:
    for stage, job in BESIDE.items():
        if stage == "ceiling" and not has_ceiling(dataset):
            continue

        rule:
            name:
                f"{stage}_{dataset.experiment}_{dataset.name}"
            input:
                data=data_files(dataset.experiment, dataset.name, dataset.seeds),
                manifest=f"{data_folder(dataset.experiment, dataset.name)}/manifest.json",
            output:
                f"{RESULTS}/{dataset.experiment}/{stage}/{dataset.name}.csv",
            log:
                f"{RESULTS}/logs/{dataset.experiment}/{stage}-{dataset.name}.log",
            benchmark:
                f"{RESULTS}/benchmarks/{dataset.experiment}/{stage}-{dataset.name}.tsv"
            conda:
                ENVIRONMENT
            threads: 1
            resources:
                **needs(lambda wildcards, dataset=dataset, job=job: job(dataset)),
            params:
                command=f"{PIMVAE} {stage} {dataset.experiment} {dataset.name} {SCALE_OPTIONS}",
                data=subpath(input.manifest, parent=True),
                sources=provenance.digest(provenance.sources(f"pimvae.evaluation.{stage}")),
                settings=as_json(dataset.model, dataset.evaluation, dataset.seeds),
            message:
                f"{stage} of {dataset.experiment}/{dataset.name}"
            shell:
                "{params.command} --data {params.data} --out {output} > {log} 2>&1"


# One job per data set of images: the classifiers that read what is generated.
for dataset in WORKFLOW.datasets:
    if dataset.data.kind == "images":

        rule:
            name:
                f"classifiers_{dataset.experiment}_{dataset.name}"
            input:
                data=data_files(dataset.experiment, dataset.name, dataset.seeds[:1]),
            output:
                weights=f"{data_folder(dataset.experiment, dataset.name)}/classifiers.safetensors",
                accuracies=f"{data_folder(dataset.experiment, dataset.name)}/classifiers.csv",
            log:
                f"{RESULTS}/logs/{dataset.experiment}/classifiers-{dataset.name}.log",
            benchmark:
                f"{RESULTS}/benchmarks/{dataset.experiment}/classifiers-{dataset.name}.tsv"
            priority: first_of(dataset)
            conda:
                ENVIRONMENT
            threads: 1
            params:
                command=f"{PIMVAE} classifiers {dataset.experiment} {dataset.name} {SCALE_OPTIONS}",
                data=subpath(output.weights, parent=True),
                sources=provenance.digest(provenance.sources("pimvae.evaluation.classifiers")),
            message:
                f"train the classifiers of {dataset.experiment}/{dataset.name}"
            shell:
                "{params.command} --data {params.data} > {log} 2>&1"

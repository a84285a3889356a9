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
        options=SCALE_OPTIONS,
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


# One job per data set with clusters: log-likelihood under the model that generated it, all seeds.
for dataset in WORKFLOW.datasets:
    if has_ceiling(dataset):

        rule:
            name:
                f"ceiling_{dataset.experiment}_{dataset.name}"
            input:
                data=data_files(dataset.experiment, dataset.name, dataset.seeds),
                manifest=f"{data_folder(dataset.experiment, dataset.name)}/manifest.json",
            output:
                f"{RESULTS}/{dataset.experiment}/ceiling/{dataset.name}.csv",
            log:
                f"{RESULTS}/logs/{dataset.experiment}/ceiling-{dataset.name}.log",
            benchmark:
                f"{RESULTS}/benchmarks/{dataset.experiment}/ceiling-{dataset.name}.tsv"
            conda:
                ENVIRONMENT
            resources:
                **needs(lambda wildcards, dataset=dataset: ceiling_job(dataset)),
            params:
                command=f"{PIMVAE} ceiling {dataset.experiment} {dataset.name} {SCALE_OPTIONS}",
                data=subpath(input.manifest, parent=True),
                sources=provenance.digest(provenance.sources("pimvae.evaluation.ceiling_job")),
                settings=as_json(dataset.evaluation, dataset.seeds),
            message:
                f"likelihood of {dataset.experiment}/{dataset.name} under the true model"
            shell:
                "{params.command} --data {params.data} --out {output} > {log} 2>&1"


# One job per data set: simple models fitted to its training samples, all seeds.
for dataset in WORKFLOW.datasets:

    rule:
        name:
            f"baselines_{dataset.experiment}_{dataset.name}"
        input:
            data=data_files(dataset.experiment, dataset.name, dataset.seeds),
            manifest=f"{data_folder(dataset.experiment, dataset.name)}/manifest.json",
        output:
            f"{RESULTS}/{dataset.experiment}/baselines/{dataset.name}.csv",
        log:
            f"{RESULTS}/logs/{dataset.experiment}/baselines-{dataset.name}.log",
        benchmark:
            f"{RESULTS}/benchmarks/{dataset.experiment}/baselines-{dataset.name}.tsv"
        conda:
            ENVIRONMENT
        threads: 1
        resources:
            **needs(lambda wildcards, dataset=dataset: baselines_job(dataset)),
        params:
            command=f"{PIMVAE} baselines {dataset.experiment} {dataset.name} {SCALE_OPTIONS}",
            data=subpath(input.manifest, parent=True),
            sources=provenance.digest(provenance.sources("pimvae.evaluation.baselines_job")),
            settings=as_json(dataset.model, dataset.evaluation, dataset.seeds),
        message:
            f"simple models of {dataset.experiment}/{dataset.name}"
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
                sources=provenance.digest(provenance.sources("pimvae.evaluation.classifiers_job")),
            message:
                f"train the classifiers of {dataset.experiment}/{dataset.name}"
            shell:
                "{params.command} --data {params.data} > {log} 2>&1"

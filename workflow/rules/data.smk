# One job per data set: all of its seeds.
for dataset in WORKFLOW.datasets:

    rule:
        name:
            f"data_{dataset.experiment}_{dataset.name}"
        output:
            files=data_files(dataset.experiment, dataset.name, dataset.seeds),
            manifest=f"{data_folder(dataset.experiment, dataset.name)}/manifest.json",
        log:
            f"{RESULTS}/logs/{dataset.experiment}/data-{dataset.name}.log",
        benchmark:
            f"{RESULTS}/benchmarks/{dataset.experiment}/data-{dataset.name}.tsv"
        priority: first_of(dataset)
        conda:
            ENVIRONMENT
        resources:
            **needs(lambda wildcards, dataset=dataset: data_job(dataset)),
        params:
            command=f"{PIMVAE} data {dataset.experiment} {dataset.name} {SCALE_OPTIONS}",
            out=subpath(output.manifest, parent=True),
            sources=provenance.digest(provenance.data_sources(dataset.data.kind)),
            settings=as_json(dataset.data, dataset.seeds),
        message:
            f"draw data set {dataset.experiment}/{dataset.name}, {len(dataset.seeds)} seeds"
        shell:
            "{params.command} --out {params.out} > {log} 2>&1"

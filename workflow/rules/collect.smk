# From the results of all cells to those of the scale.
rule collect:
    input:
        metrics=cell_files("metrics.csv"),
        seals=cell_files("metrics.json"),
        lost=lost_cells(RESULTS),
        history=cell_files("history.csv"),
        records=cell_files("run.json"),
        ceilings=ceiling_files(),
        baselines=baseline_files(),
        classifiers=classifier_files("csv"),
    output:
        COLLECTED,
    log:
        f"{RESULTS}/logs/collect.log",
    benchmark:
        f"{RESULTS}/benchmarks/collect.tsv"
    conda:
        ENVIRONMENT
    params:
        command=f"{PIMVAE} collect --out {RESULTS}",
        runs=[f"{RESULTS}/{cell.experiment}/{cell.name}" for cell in CONFIG.cells],
        references=" ".join(
            [
                "--references",
                *ceiling_files(),
                *baseline_files(),
                *classifier_files("csv"),
            ]
        ),
        sources=provenance.digest(provenance.sources("pimvae.results.collect")),
    message:
        f"collect the results of {len(CONFIG.cells)} cells"
    shell:
        "{params.command} {params.runs} {params.references} > {log} 2>&1"


rule compare:
    input:
        fresh=f"{RESULTS}/metrics.csv",
        shipped=local([SHIPPED / archive.MANIFEST])[0],
        claims=local([ROOT / "config" / "claims.yaml"]),
        methods=local([ROOT / "config" / "methods.yaml"]),
    output:
        numbers=f"{RESULTS}/compare/compare.csv",
        table=f"{RESULTS}/compare/compare.tex",
        figure=multiext(f"{RESULTS}/compare/compare", ".pdf", ".png"),
        text=f"{RESULTS}/compare/compare.txt",
    log:
        f"{RESULTS}/logs/compare.log",
    benchmark:
        f"{RESULTS}/benchmarks/compare.tsv"
    conda:
        ENVIRONMENT
    params:
        command=f"{PIMVAE} compare --fresh {RESULTS}",
        shipped=subpath(input.shipped, parent=True),
        out=subpath(output.numbers, parent=True),
        sources=provenance.digest(provenance.report_sources("compare")),
    message:
        "hold the results against the shipped ones"
    shell:
        "{params.command} --shipped {params.shipped} --claims {input.claims} --out {params.out}"
        " > {output.text} 2> {log}"

# From the cells' results to tables, figures and verdicts.
COLLECTED = [
    f"{RESULTS}/{name}.csv" for name in ("metrics", "runs", "history", "settings")
]
TABLES = names("report.tables")
TABLE_FILES = [f"paper/tables/{SCALE}/{name}.tex" for name in TABLES]
FIGURE_FILES = expand(
    f"figures/{SCALE}/{{name}}.{{kind}}",
    name=names("report.figures"),
    kind=["pdf", "png", "csv"],
)
CLAIMS = local([ROOT / "config" / "claims.yaml"])
METHODS = local([ROOT / "config" / "methods.yaml"])


rule collect:
    input:
        metrics=cell_files("metrics.csv"),
        history=cell_files("history.csv"),
        records=cell_files("run.json"),
        ceilings=ceiling_files(),
        classifiers=classifier_files("csv"),
        sources=local(provenance.sources("pimvae.report.collect")),
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
            ["--references", *ceiling_files(), *classifier_files("csv")]
        ),
    message:
        f"collect the results of {len(CONFIG.cells)} cells"
    shell:
        "{params.command} {params.runs} {params.references} > {log} 2>&1"


rule claims:
    input:
        results=COLLECTED,
        claims=CLAIMS,
        methods=METHODS,
        sources=local(provenance.report_sources("claims")),
    output:
        verdicts=multiext(f"{RESULTS}/claims", ".csv", "_groups.csv", "_strata.csv"),
        text=f"{RESULTS}/claims.txt",
    log:
        f"{RESULTS}/logs/claims.log",
    benchmark:
        f"{RESULTS}/benchmarks/claims.tsv"
    conda:
        ENVIRONMENT
    params:
        command=f"{PIMVAE} claims --results {RESULTS} --out {RESULTS}",
    message:
        "decide the claims"
    shell:
        "{params.command} --claims {input.claims} > {output.text} 2> {log}"


rule tables:
    input:
        results=COLLECTED,
        claims=CLAIMS,
        methods=METHODS,
        sources=local(
            provenance.report_sources("tables", *(f"tables.{name}" for name in TABLES))
        ),
    output:
        TABLE_FILES,
    log:
        f"{RESULTS}/logs/tables.log",
    benchmark:
        f"{RESULTS}/benchmarks/tables.tsv"
    conda:
        ENVIRONMENT
    params:
        command=f"{PIMVAE} tables --results {RESULTS} --out paper/tables/{SCALE}",
    message:
        "write the tables"
    shell:
        "{params.command} --claims {input.claims} > {log} 2>&1"


rule figure:
    input:
        results=COLLECTED,
        examples=figure_examples,
        claims=CLAIMS,
        methods=METHODS,
        sources=figure_sources,
    output:
        multiext(f"figures/{SCALE}/{{figure}}", ".pdf", ".png", ".csv"),
    log:
        f"{RESULTS}/logs/figure-{{figure}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/figure-{{figure}}.tsv"
    conda:
        ENVIRONMENT
    params:
        command=f"{PIMVAE} figures --results {RESULTS} --out figures/{SCALE}",
    message:
        "draw figure {wildcards.figure}"
    shell:
        "{params.command} --claims {input.claims} {wildcards.figure} > {log} 2>&1"


rule macros:
    input:
        results=COLLECTED,
        claims=CLAIMS,
        methods=METHODS,
        sources=local(provenance.report_sources("macros")),
    output:
        f"paper/tables/{SCALE}/macros.tex",
    log:
        f"{RESULTS}/logs/macros.log",
    benchmark:
        f"{RESULTS}/benchmarks/macros.tsv"
    conda:
        ENVIRONMENT
    params:
        command=f"{PIMVAE} macros --results {RESULTS} --scale {SCALE}",
    message:
        "write the numbers of the text"
    shell:
        "{params.command} --claims {input.claims} --out {output} > {log} 2>&1"

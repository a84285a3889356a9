# From the collected results to tables, figures and verdicts, of every collection.
REGISTERED = names("report.tables")
TABLES = [*REGISTERED, *(ACROSS if OTHER_SCALES else [])]
TABLE_FILES = [f"paper/tables/{SCALE}/{{collection}}{name}.tex" for name in TABLES]
FIGURE_FILES = [
    f"figures/{SCALE}/{{collection}}{name}.{kind}" for name in names("report.figures") for kind in ("pdf", "png", "csv")
]
CLAIMS = local([ROOT / "config" / "claims.yaml"])
CLAIM_FILES = {
    "claims": "verdicts (CSV)",
    "claims_groups": "comparisons behind the verdicts (CSV)",
    "claims_strata": "pairs of cells behind the comparisons (CSV)",
}
WEBPAGES = [f"{RESULTS}/{{collection}}tables/{name}.html" for name in TABLES]
METHODS = local([ROOT / "config" / "methods.yaml"])
JUDGED = f"{RESULTS}/{{collection}}verdicts.json"


rule claims:
    input:
        results=COLLECTED,
        claims=CLAIMS,
        methods=METHODS,
    output:
        verdicts=[
            report(
                f"{RESULTS}/{{collection}}{name}.csv",
                caption="../report/claims.rst",
                category="Claims",
                labels={"content": text},
            )
            for name, text in CLAIM_FILES.items()
        ],
        text=report(
            f"{RESULTS}/{{collection}}claims.txt",
            caption="../report/claims.rst",
            category="Claims",
            labels={"content": "one line per claim"},
        ),
        data=f"{RESULTS}/{{collection}}claims.json",
        kept=JUDGED,
    log:
        f"{RESULTS}/logs/{{collection}}claims.log",
    benchmark:
        f"{RESULTS}/benchmarks/{{collection}}claims.tsv"
    conda:
        ENVIRONMENT
    params:
        command=f"{PIMVAE} claims --results {RESULTS}/{{collection}} --out {RESULTS}/{{collection}}",
        sources=provenance.digest(provenance.report_sources("claims")),
    message:
        "decide the claims"
    shell:
        "{params.command} --claims {input.claims} > {output.text} 2> {log}"


rule tables:
    input:
        results=COLLECTED,
        others=local([folder / archive.MANIFEST for folder in OTHER_SCALES]),
        claims=CLAIMS,
        judged=JUDGED,
    output:
        TABLE_FILES,
        [
            report(
                path,
                caption="../report/table.rst",
                category=category(name, "Tables"),
                labels=content("report.tables", name),
            )
            for name, path in zip(TABLES, WEBPAGES)
        ],
    log:
        f"{RESULTS}/logs/{{collection}}tables.log",
    benchmark:
        f"{RESULTS}/benchmarks/{{collection}}tables.tsv"
    conda:
        ENVIRONMENT
    params:
        command=f"{PIMVAE} tables --results {RESULTS}/{{collection}} --out paper/tables/{SCALE}/{{collection}}",
        pages=f"--pages {RESULTS}/{{collection}}tables",
        scales=shlex.join(["--scale", SCALE, "--before", *local(OTHER_SCALES)]),
        sources=provenance.digest(provenance.report_sources("tables", *(f"tables.{name}" for name in REGISTERED))),
    message:
        "write the tables, also as web pages"
    shell:
        "{params.command} {params.pages} --claims {input.claims} {params.scales} > {log} 2>&1"


rule figure:
    input:
        results=COLLECTED,
        examples=figure_examples,
        claims=CLAIMS,
        judged=JUDGED,
    output:
        f"figures/{SCALE}/{{collection}}{{figure}}.pdf",
        report(
            f"figures/{SCALE}/{{collection}}{{figure}}.png",
            caption="../report/figure.rst",
            category=lambda wildcards: category(wildcards.figure, "Figures"),
            labels=lambda wildcards: content("report.figures", wildcards.figure),
        ),
        report(
            f"figures/{SCALE}/{{collection}}{{figure}}.csv",
            caption="../report/figure.rst",
            category=lambda wildcards: category(wildcards.figure, "Numbers behind the figures"),
            labels=lambda wildcards: content("report.figures", wildcards.figure, " (numbers)"),
        ),
    log:
        f"{RESULTS}/logs/{{collection}}figure-{{figure}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/{{collection}}figure-{{figure}}.tsv"
    conda:
        ENVIRONMENT
    params:
        command=f"{PIMVAE} figures --results {RESULTS}/{{collection}} --out figures/{SCALE}/{{collection}}",
        sources=figure_sources,
    message:
        "draw figure {wildcards.figure}"
    shell:
        "{params.command} --claims {input.claims} {wildcards.figure} > {log} 2>&1"


rule macros:
    input:
        results=COLLECTED,
        claims=CLAIMS,
        judged=JUDGED,
    output:
        f"paper/tables/{SCALE}/{{collection}}macros.tex",
    log:
        f"{RESULTS}/logs/{{collection}}macros.log",
    benchmark:
        f"{RESULTS}/benchmarks/{{collection}}macros.tsv"
    conda:
        ENVIRONMENT
    params:
        command=f"{PIMVAE} macros --results {RESULTS}/{{collection}} --scale {SCALE}",
        sources=provenance.digest(provenance.report_sources("macros")),
    message:
        "write the numbers of the text"
    shell:
        "{params.command} --claims {input.claims} --out {output} > {log} 2>&1"

# From the collected results to tables, figures and verdicts.
TABLES = names("report.tables")
TABLE_FILES = [f"paper/tables/{SCALE}/{name}.tex" for name in TABLES]
FIGURE_FILES = expand(
    f"figures/{SCALE}/{{name}}.{{kind}}",
    name=names("report.figures"),
    kind=["pdf", "png", "csv"],
)
CLAIMS = local([ROOT / "config" / "claims.yaml"])
CLAIM_FILES = {
    "claims": "verdicts (CSV)",
    "claims_groups": "comparisons behind the verdicts (CSV)",
    "claims_strata": "pairs of cells behind the comparisons (CSV)",
}
WEBPAGES = [f"{RESULTS}/tables/{name}.html" for name in TABLES]
METHODS = local([ROOT / "config" / "methods.yaml"])


rule claims:
    input:
        results=COLLECTED,
        claims=CLAIMS,
        methods=METHODS,
    output:
        verdicts=[
            report(
                f"{RESULTS}/{name}.csv",
                caption="../report/claims.rst",
                category="Claims",
                labels={"content": text},
            )
            for name, text in CLAIM_FILES.items()
        ],
        text=report(
            f"{RESULTS}/claims.txt",
            caption="../report/claims.rst",
            category="Claims",
            labels={"content": "one line per claim"},
        ),
        data=f"{RESULTS}/claims.json",
    log:
        f"{RESULTS}/logs/claims.log",
    benchmark:
        f"{RESULTS}/benchmarks/claims.tsv"
    conda:
        ENVIRONMENT
    params:
        command=f"{PIMVAE} claims --results {RESULTS} --out {RESULTS}",
        sources=provenance.digest(provenance.report_sources("claims")),
    message:
        "decide the claims"
    shell:
        "{params.command} --claims {input.claims} > {output.text} 2> {log}"


rule tables:
    input:
        results=COLLECTED,
        claims=CLAIMS,
        methods=METHODS,
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
        sources=provenance.digest(
            provenance.report_sources("tables", *(f"tables.{name}" for name in TABLES))
        ),
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
    output:
        f"figures/{SCALE}/{{figure}}.pdf",
        report(
            f"figures/{SCALE}/{{figure}}.png",
            caption="../report/figure.rst",
            category=lambda wildcards: category(wildcards.figure, "Figures"),
            labels=lambda wildcards: content("report.figures", wildcards.figure),
        ),
        report(
            f"figures/{SCALE}/{{figure}}.csv",
            caption="../report/figure.rst",
            category=lambda wildcards: category(
                wildcards.figure, "Numbers behind the figures"
            ),
            labels=lambda wildcards: content(
                "report.figures", wildcards.figure, " (numbers)"
            ),
        ),
    log:
        f"{RESULTS}/logs/figure-{{figure}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/figure-{{figure}}.tsv"
    conda:
        ENVIRONMENT
    params:
        command=f"{PIMVAE} figures --results {RESULTS} --out figures/{SCALE}",
        sources=figure_sources,
    message:
        "draw figure {wildcards.figure}"
    shell:
        "{params.command} --claims {input.claims} {wildcards.figure} > {log} 2>&1"


rule macros:
    input:
        results=COLLECTED,
        claims=CLAIMS,
        methods=METHODS,
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
        sources=provenance.digest(provenance.report_sources("macros")),
    message:
        "write the numbers of the text"
    shell:
        "{params.command} --claims {input.claims} --out {output} > {log} 2>&1"


rule webpages:
    input:
        tables=TABLE_FILES,
    output:
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
        f"{RESULTS}/logs/webpages.log",
    benchmark:
        f"{RESULTS}/benchmarks/webpages.tsv"
    conda:
        ENVIRONMENT
    params:
        command=f"{PIMVAE} webpages --tables paper/tables/{SCALE} --scale {SCALE} --out {RESULTS}/tables",
        sources=provenance.digest(provenance.sources("pimvae.report.webpage")),
    message:
        "write the tables as web pages"
    shell:
        "{params.command} > {log} 2>&1"

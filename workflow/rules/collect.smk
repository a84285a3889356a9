# From the results of all cells to those of a collection.
LOST = {collection: lost_cells(collection) for collection in COLLECTIONS}


rule collect:
    input:
        unpack(parts),
    output:
        COLLECTED,
    log:
        f"{RESULTS}/logs/{{collection}}collect.log",
    benchmark:
        f"{RESULTS}/benchmarks/{{collection}}collect.tsv"
    conda:
        ENVIRONMENT
    params:
        command=f"{PIMVAE} collect --out {RESULTS}/{{collection}}",
        runs=lambda wildcards, input: [os.path.dirname(path) for path in input.records],
        sources=provenance.digest(provenance.sources("pimvae.results.collect")),
    message:
        "collect the results of all cells"
    shell:
        "{params.command} {params.runs} --references {input.ceilings} {input.baselines} {input.classifiers}"
        " > {log} 2>&1"


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

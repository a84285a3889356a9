# The experiments beyond the publication. Where 'all' leaves them out, 'beyond' runs them too and makes every table and
# figure, the claims and the paper once more, from everything: in folders of their own, the others stay as they are.
BEYOND_RESULTS = f"{RESULTS}/beyond"
BEYOND_COLLECTED = [
    f"{BEYOND_RESULTS}/{name}.csv"
    for name in ("metrics", "runs", "history", "settings")
]
BEYOND_TABLES = [f"paper/tables/{SCALE}/beyond/{name}.tex" for name in TABLES]
BEYOND_FIGURES = expand(
    f"figures/{SCALE}/beyond/{{name}}.{{kind}}",
    name=names("report.figures"),
    kind=["pdf", "png", "csv"],
)
BEYOND_TEX = [
    *BEYOND_TABLES,
    f"paper/tables/{SCALE}/beyond/macros.tex",
    "paper/tables/scale.tex",
]
BEYOND_PAPER = BEYOND_TEX if LATEX is None else ["paper/beyond.pdf"]

if WORKFLOW.experiments == CONFIG.experiments:

    rule beyond:
        input:
            rules.all.input,
        message:
            "all done"

else:

    rule beyond:
        input:
            BEYOND_FIGURES,
            BEYOND_TABLES,
            f"{BEYOND_RESULTS}/claims.txt",
            BEYOND_PAPER,
        message:
            "all done"


use rule collect as collect_beyond with:
    input:
        metrics=cell_files("metrics.csv", config=WORKFLOW),
        seals=cell_files("metrics.json", config=WORKFLOW),
        lost=lost_cells(BEYOND_RESULTS, WORKFLOW),
        history=cell_files("history.csv", config=WORKFLOW),
        records=cell_files("run.json", config=WORKFLOW),
        ceilings=ceiling_files(WORKFLOW),
        baselines=baseline_files(WORKFLOW),
        classifiers=classifier_files("csv"),
    output:
        BEYOND_COLLECTED,
    log:
        f"{RESULTS}/logs/collect-beyond.log",
    benchmark:
        f"{RESULTS}/benchmarks/collect-beyond.tsv"
    params:
        command=f"{PIMVAE} collect --out {BEYOND_RESULTS}",
        runs=[f"{RESULTS}/{cell.experiment}/{cell.name}" for cell in WORKFLOW.cells],
        references=" ".join(
            [
                "--references",
                *ceiling_files(WORKFLOW),
                *baseline_files(WORKFLOW),
                *classifier_files("csv"),
            ]
        ),
        sources=provenance.digest(provenance.sources("pimvae.results.collect")),
    message:
        f"collect the results of {len(WORKFLOW.cells)} cells"


use rule claims as claims_beyond with:
    input:
        results=BEYOND_COLLECTED,
        claims=CLAIMS,
        methods=METHODS,
    output:
        verdicts=[f"{BEYOND_RESULTS}/{name}.csv" for name in CLAIM_FILES],
        text=f"{BEYOND_RESULTS}/claims.txt",
        data=f"{BEYOND_RESULTS}/claims.json",
    log:
        f"{RESULTS}/logs/claims-beyond.log",
    benchmark:
        f"{RESULTS}/benchmarks/claims-beyond.tsv"
    params:
        command=f"{PIMVAE} claims --results {BEYOND_RESULTS} --out {BEYOND_RESULTS}",
        sources=provenance.digest(provenance.report_sources("claims")),


use rule tables as tables_beyond with:
    input:
        results=BEYOND_COLLECTED,
        claims=CLAIMS,
        methods=METHODS,
    output:
        BEYOND_TABLES,
    log:
        f"{RESULTS}/logs/tables-beyond.log",
    benchmark:
        f"{RESULTS}/benchmarks/tables-beyond.tsv"
    params:
        command=f"{PIMVAE} tables --results {BEYOND_RESULTS} --out paper/tables/{SCALE}/beyond",
        sources=provenance.digest(
            provenance.report_sources("tables", *(f"tables.{name}" for name in TABLES))
        ),


use rule figure as figure_beyond with:
    input:
        results=BEYOND_COLLECTED,
        examples=figure_examples,
        claims=CLAIMS,
        methods=METHODS,
    output:
        multiext(f"figures/{SCALE}/beyond/{{figure}}", ".pdf", ".png", ".csv"),
    log:
        f"{RESULTS}/logs/figure-beyond-{{figure}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/figure-beyond-{{figure}}.tsv"
    params:
        command=f"{PIMVAE} figures --results {BEYOND_RESULTS} --out figures/{SCALE}/beyond",
        sources=figure_sources,


use rule macros as macros_beyond with:
    input:
        results=BEYOND_COLLECTED,
        claims=CLAIMS,
        methods=METHODS,
    output:
        f"paper/tables/{SCALE}/beyond/macros.tex",
    log:
        f"{RESULTS}/logs/macros-beyond.log",
    benchmark:
        f"{RESULTS}/benchmarks/macros-beyond.tsv"
    params:
        command=f"{PIMVAE} macros --results {BEYOND_RESULTS} --scale {SCALE}",
        sources=provenance.digest(provenance.report_sources("macros")),


use rule paper as paper_beyond with:
    input:
        tex=PAPER_SOURCES,
        generated=BEYOND_TEX,
        figures=[name for name in BEYOND_FIGURES if name.endswith(".pdf")],
        script=local([ROOT / "workflow" / "scripts" / "compile_paper.sh"]),
        check=local([ROOT / "workflow" / "scripts" / "check_paper_log.sh"]),
    output:
        "paper/beyond.pdf",
    log:
        f"{RESULTS}/logs/paper-beyond.log",
    benchmark:
        f"{RESULTS}/benchmarks/paper-beyond.tsv"
    params:
        source=local([ROOT / "paper"]),
        main="beyond",
    message:
        "compile the paper with the experiments beyond the publication"

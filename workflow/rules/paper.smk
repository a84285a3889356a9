# The paper, compiled in a build folder so that a failed run leaves the last PDF alone.
GENERATED_TEX = [
    *TABLE_FILES,
    f"paper/tables/{SCALE}/macros.tex",
    "paper/tables/scale.tex",
]
PAPER_FILES = GENERATED_TEX if LATEX is None else ["paper/paper.pdf"]
PAPER_SOURCES = local(
    sorted(
        path
        for pattern in ("*.tex", "*.bib", "sections/*.tex")
        for path in (ROOT / "paper").glob(pattern)
    )
)


rule paper_scale:
    output:
        "paper/tables/scale.tex",
    log:
        f"{RESULTS}/logs/paper-scale.log",
    conda:
        ENVIRONMENT
    params:
        scale=SCALE,
    message:
        f"let the paper show scale {SCALE}"
    shell:
        r"printf '\\providecommand{{\\withbeyond}}{{}}\n\\newcommand{{\\resultscale}}{{%s\\withbeyond}}\n' {params.scale}"
        r" > {output} 2> {log}"


rule paper:
    input:
        tex=PAPER_SOURCES,
        generated=GENERATED_TEX,
        figures=[name for name in FIGURE_FILES if name.endswith(".pdf")],
        script=local([ROOT / "workflow" / "scripts" / "compile_paper.sh"]),
        check=local([ROOT / "workflow" / "scripts" / "check_paper_log.sh"]),
    output:
        report(
            "paper/paper.pdf",
            caption="../report/paper.rst",
            category="Paper",
            labels={"content": "the whole paper (PDF)"},
        ),
    log:
        f"{RESULTS}/logs/paper.log",
    benchmark:
        f"{RESULTS}/benchmarks/paper.tsv"
    conda:
        ENVIRONMENT
    params:
        source=local([ROOT / "paper"]),
        main="main",
    message:
        "compile the paper"
    shell:
        "bash {input.script} {params.source} {output} {params.main} > {log} 2>&1"

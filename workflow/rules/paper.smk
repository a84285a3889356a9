# The paper, compiled in a build folder so that a failed run leaves the last PDF alone.
PAPERS = {"paper": "", "beyond": "beyond/"}  # the collection that each shows
MAIN = {"paper": "main", "beyond": "beyond"}  # and the file of paper/ that it is compiled from
GENERATED_TEX = [*TABLE_FILES, f"paper/tables/{SCALE}/{{collection}}macros.tex", "paper/tables/scale.tex"]
PAPER_SOURCES = local(
    sorted(path for pattern in ("*.tex", "*.bib", "sections/*.tex") for path in (ROOT / "paper").glob(pattern))
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
        generated=lambda wildcards: expand(GENERATED_TEX, collection=PAPERS[wildcards.paper]),
        figures=lambda wildcards: expand(
            [name for name in FIGURE_FILES if name.endswith(".pdf")], collection=PAPERS[wildcards.paper]
        ),
        script=local([ROOT / "workflow" / "scripts" / "compile_paper.sh"]),
        check=local([ROOT / "workflow" / "scripts" / "check_paper_log.sh"]),
    output:
        report(
            "paper/{paper}.pdf",
            caption="../report/paper.rst",
            category="Paper",
            labels={"content": "the whole paper (PDF)"},
        ),
    log:
        f"{RESULTS}/logs/{{paper}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/{{paper}}.tsv"
    wildcard_constraints:
        paper="|".join(PAPERS),
    conda:
        ENVIRONMENT
    params:
        source=local([ROOT / "paper"]),
        main=lambda wildcards: MAIN[wildcards.paper],
    message:
        "compile {output}"
    shell:
        "bash {input.script} {params.source} {output} {params.main} > {log} 2>&1"

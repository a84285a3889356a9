# The notebooks, run on this machine and shown as web pages that need nothing else.
NOTEBOOKS = {path.stem: path for path in sorted((ROOT / "notebooks").glob("*.ipynb"))}
TEMPLATES = ROOT / "workflow" / "notebooks"
HAS_NOTEBOOKS = bool(
    workflow.deployment_settings.deployment_method
    or all(importlib.util.find_spec(name) for name in ("nbconvert", "ipykernel", "pytest"))
)
NOTEBOOKS_MISSING = (
    "no nbconvert, ipykernel or pytest found: the notebooks are left out. Install them with: pip install -e "
    "'.[workflow,notebooks]'. Then run the same command again."
)
# Where nothing is trained, only the notebook that reads results is run: the others train small models.
NOTEBOOK_FILES = [
    f"{RESULTS}/notebooks/{name}.html"
    for name in NOTEBOOKS
    if name == "02_read_the_results" or not getattr(CONFIG, "shipped", False)
]


rule render_notebook:
    input:
        notebook=lambda wildcards: local([NOTEBOOKS[wildcards.notebook]]),
        read=notebook_inputs,
        template=local([TEMPLATES / "offline" / "index.html.j2"]),
    output:
        report(
            f"{RESULTS}/notebooks/{{notebook}}.html",
            caption="../report/notebook.rst",
            category="Notebooks",
            labels=lambda wildcards: {"content": notebook_title(wildcards.notebook)},
        ),
    log:
        f"{RESULTS}/logs/notebook-{{notebook}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/notebook-{{notebook}}.tsv"
    wildcard_constraints:
        notebook="|".join(NOTEBOOKS),
    conda:
        ENVIRONMENT
    params:
        command='"$PIMVAE_PYTHON" -m nbconvert --execute --to html --template offline',
        options='--TemplateExporter.extra_template_basedirs="$PIMVAE_ROOT/workflow/notebooks"',
        out=subpath(output[0], parent=True),
        results=subpath(output[0], ancestor=2),
        sources=notebook_sources,
    message:
        "run notebook {wildcards.notebook}"
    shell:
        # Without a backend of its own the kernel shows what is drawn.
        "MPLBACKEND= PIMVAE_RESULTS=$(cd {params.results} && pwd -P) {params.command} {params.options}"
        " --output-dir {params.out} {input.notebook} > {log} 2>&1"

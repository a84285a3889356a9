# In place of training and evaluation: the shipped results, held against their manifest.
SHIPPED_FILES = local([SHIPPED / name for name in (archive.MANIFEST, *MANIFEST.files)])
SHIPPED_EXAMPLES = [f"{RESULTS}/{name}" for name in MANIFEST.unpacked if name.endswith("examples.npz")]


rule unpack:
    input:
        shipped=SHIPPED_FILES,
    output:
        [f"{RESULTS}/{name}" for name in MANIFEST.unpacked],
    log:
        f"{RESULTS}/logs/unpack.log",
    benchmark:
        f"{RESULTS}/benchmarks/unpack.tsv"
    conda:
        ENVIRONMENT
    params:
        command=f"{PIMVAE} unpack --shipped {shlex.quote(local([SHIPPED])[0])} --out {RESULTS}",
        sources=provenance.digest(provenance.sources("pimvae.archive")),
    message:
        f"unpack the shipped results of scale {SCALE}"
    shell:
        "{params.command} > {log} 2>&1"

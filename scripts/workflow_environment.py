"""Print workflow/envs/pimvae.yaml: environment.yml without the package, which jobs read where it lies.

Snakemake copies that file elsewhere before conda reads it, so it can name no path: the versions of requirements.lock
stand in it.

usage: python scripts/workflow_environment.py > workflow/envs/pimvae.yaml, after requirements.lock has changed
"""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HEADER = """\
# For 'snakemake --sdm conda': what conda brings in environment.yml, and the packages of requirements.lock by pip.
# Written by scripts/workflow_environment.py."""


def render() -> str:
    """The file's text."""
    before, found, _ = (ROOT / "environment.yml").read_text(encoding="utf-8").partition("  - pip:\n")
    assert found, "environment.yml has no part for pip"
    conda = [line for line in before.splitlines() if not line.startswith("#")]
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    pins = [f"      - {line}" for line in lines if not line.startswith("#")]
    return "\n".join([HEADER, *conda, "  - pip:", *pins]) + "\n"


if __name__ == "__main__":
    print(render(), end="")

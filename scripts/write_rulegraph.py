"""Draw the rules of the workflow, for one experiment, into docs/WORKFLOW.md.

usage: python scripts/write_rulegraph.py, from the root of the repository
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "WORKFLOW.md"
BLOCK = re.compile(r"(<!-- begin:rulegraph .*?-->\n).*?(<!-- end:rulegraph -->)", re.DOTALL)
NODE = re.compile(r"^\s*(id\d+)\[(\w+)\]", re.MULTILINE)
EDGE = re.compile(r"^\s*(id\d+) --> (id\d+)", re.MULTILINE)


def graph() -> str:
    """The rules and what they hand on, as Snakemake draws them, without its colours."""
    options = ["--config", "scale=smoke", "experiments=[linear]", "--rulegraph", "mermaid-js"]
    with tempfile.TemporaryDirectory() as folder:  # nothing that was run here counts
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "-d", folder, *options]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        sys.exit(done.stderr)
    names = dict(NODE.findall(done.stdout))
    edges = sorted({(names[start], names[end]) for start, end in EDGE.findall(done.stdout)})
    lines = [f"    {start} --> {end}" for start, end in edges if end != "all"]
    return "\n".join(["```mermaid", "flowchart LR", *lines, "```"])


if __name__ == "__main__":
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(BLOCK.sub(lambda found: f"{found[1]}{graph()}\n{found[2]}", text), encoding="utf-8")

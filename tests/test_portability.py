"""GNU make 3.81, bash 3.2 and BSD tools, as macOS has them: nothing that they lack is used."""

import re
import shutil
import subprocess

import pytest

# Each with a line that it must find. From the release notes of GNU make 3.82 to 4.4.
NEW_IN_MAKE = {
    r"\.(ONESHELL|SHELLFLAGS|RECIPEPREFIX|EXTRA_PREREQS|NOTINTERMEDIATE|WAIT)\b": ".SHELLFLAGS := -euc",
    r"\$[({](file|guile|let|intcmp) ": "$(file > list,$(NAMES))",
    r"^[\w.-]+\s*(!|::|:::)=": "COUNT != nproc",
    r"^(undefine|private|-?load)\s": "undefine COUNT",
    r"^define\s+\S+\s*[:?+]?=": "define LINES =",
    r"&:": "a b &: c",
    r"^[^\t#=]*:[^=]*#.*;": "a: b # of some makes a recipe; this",
}
GNU_ONLY = {
    r"\b(realpath|nproc|timeout|tac|shuf|truncate|sha256sum|setsid)\b": "cores=$(nproc)",
    r"\breadlink\s+-\w*[fem]": 'readlink -f "$0"',
    r"\bsed\s+(-\w*[ir]|--)": "sed -i s/a/b/ file",
    r"\bsed\b.*\\[tn+?|]": r"sed 's/ /\t/'",
    r"\bdate\s+(-d|--|-I)": "date -d yesterday",
    r"\bstat\s+(-c|--)": "stat -c %s file",
    r"\bcp\s.*(--|-t\b)": "cp -a --reflink=auto a b",
    r"\bmktemp\s+(--|-p)": "mktemp --directory",
    r"\bgrep\s+-\w*P": "grep -oP 'a(?=b)'",
    r"\bfind\b.*-(printf|quit|executable|regextype)\b": "find . -printf %f",
    r"\bxargs\s+(-\w*[rd]\b|--)": "xargs -r rm",
    r"\b(head|tail)\s+-n?\s*-\d": "head -n -1",
    r"\bsort\s+(-\w*[VR]|--)": "sort -V",
    r"\bbase64\s+-w": "base64 -w0",
    r"\bln\s+-\w*r": "ln -sr a b",
    r"\b(declare|local)\s+-[An]\b|\b(mapfile|readarray|coproc)\b|\bwait\s+-n": "declare -A sizes",
    r"\$\{\w+(,,|\^\^|@)": "${name,,}",
    r"\|&|&>>": "make |& tee log",
}
DEBIAN_ONLY = {"slurm.sh"}  # says so and stops elsewhere


def shell_lines(root):
    """Lines without comments of all that a shell reads, with the names of their files."""
    scripts = [path for path in (*root.glob("scripts/*.sh"), *root.glob("workflow/scripts/*.sh")) if
               path.name not in DEBIAN_ONLY]  # fmt: skip
    for path in (root / "Makefile", *scripts, *root.glob("workflow/rules/*.smk")):
        for line in path.read_text(encoding="utf-8").splitlines():
            yield path.name, re.sub(r"(^|\s)#.*", "", line)


@pytest.mark.parametrize(("pattern", "example"), NEW_IN_MAKE.items())
def test_the_makefile_is_for_every_make(root, pattern, example):
    assert re.search(pattern, example)
    assert not re.findall(rf"(?m){pattern}", (root / "Makefile").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("pattern", "example"), GNU_ONLY.items())
def test_scripts_are_for_every_shell_and_every_tool(root, pattern, example):
    assert re.search(pattern, example)
    assert [(name, line) for name, line in shell_lines(root) if re.search(pattern, line)] == []


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_help_lists_every_target_of_the_makefile(root):
    done = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=root, capture_output=True, text=True, check=True
    )
    rows = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    phony = re.search(r"^\.PHONY: (.*\\\n.*)$", (root / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(rows) - {"variables:"} == set(phony[1].replace("\\", "").split())
    assert rows["lint"] == "only the linters"


def test_a_spot_check_trains_collects_and_compares(root, tmp_path):
    """Cells are made where the workflow makes them; its last line is that of the comparison."""
    (tmp_path / "scripts").mkdir()
    shutil.copy(root / "scripts" / "spot_check.sh", tmp_path / "scripts")
    for name in ("snakemake", "pimvae"):
        (tmp_path / name).write_text(f'#!/bin/sh\necho {name} "$@" >> {tmp_path}/told\necho equal "$1"\n')
        (tmp_path / name).chmod(0o755)
    command = ["bash", str(tmp_path / "scripts" / "spot_check.sh"), str(tmp_path), "small", "linear/a", "bimodal/b"]
    assert subprocess.run(command, capture_output=True).returncode == 1  # nothing of that scale is shipped
    for folder in ("results/shipped/small", "build/spot_check/small"):
        (tmp_path / folder).mkdir(parents=True)
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "equal compare" and "linear/a bimodal/b at scale small" in done.stdout
    made, collected, compared = (tmp_path / "told").read_text().splitlines()
    assert made.endswith(
        "--config scale=small -- results/small/linear/a/metrics.csv results/small/bimodal/b/metrics.csv"
    )
    assert collected.startswith("pimvae collect") and collected.endswith(
        "results/small/linear/a results/small/bimodal/b"
    )
    assert "--shipped results/shipped/small" in compared

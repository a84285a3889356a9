"""What the check of the LaTeX log reports."""

import subprocess

FAULTS = [
    "LaTeX Warning: Reference `tab:absent' on page 3 undefined on input line 12.",
    "Missing character: There is no ∖ in font ptmr8t!",
    "Overfull \\hbox (12.3pt too wide) in paragraph at lines 5--9",
    "Package natbib Warning: Citation `nobody2020' on page 1 undefined on input line 4.",
    "Package pimvae Warning: No value for val:dense:poe on input line 7.",
]
FINE = [
    "LaTeX Warning: Label(s) may have changed. Rerun to get cross-references right.",
    "Overfull \\hbox (9.99pt too wide) in paragraph at lines 5--9",
    "Underfull \\vbox (badness 10000) has occurred while \\output is active",
]


def check(root, folder, lines):
    (folder / "main.log").write_text("\n".join(lines) + "\n")
    command = ["bash", str(root / "workflow/scripts/check_paper_log.sh"), str(folder / "main.log")]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def test_faults_are_reported_once(root, tmp_path):
    assert sorted(check(root, tmp_path, [*FAULTS, *FINE, *FAULTS])) == sorted(FAULTS)


def test_a_clean_log_says_nothing(root, tmp_path):
    assert check(root, tmp_path, FINE) == []

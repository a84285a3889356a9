"""The command line: every command explains itself; what the user gets wrong is one line and exit code 1."""

import json
import os
import shlex
import subprocess
import sys
import threading

import pytest
from tqdm import tqdm

from pimvae.cli import main
from pimvae.cli.look import LOOK
from pimvae.cli.parser import Command
from pimvae.config import load

COMMANDS = [
    *("cells", "download", "data", "train", "evaluate", "ceiling", "baselines", "collect"),
    *("tables", "figures", "claims", "macros", "ship", "unpack", "compare", "readme"),
    *("classifiers", "plan", "schemes", "completion"),
]


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    try:
        code = main([str(argument) for argument in arguments])
    except SystemExit as stop:
        code = stop.code
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_help_lists_every_command(capsys):
    code, out, _ = run(capsys, "--help")
    assert code == 0
    assert all(f"    {name} " in out for name in COMMANDS)


def test_without_a_command_the_help_is_shown(capsys):
    code, out, err = run(capsys)
    assert (code, out, err) == (*run(capsys, "--help")[:2], "")


def test_the_script_of_completion_knows_commands_options_and_names(capsys, root, monkeypatch):
    monkeypatch.chdir(root)
    script = run(capsys, "completion")[1]
    ask = 'COMP_WORDS=(pimvae {}); COMP_CWORD={}; _pimvae; printf "%s\\n" "${{COMPREPLY[@]}}"'
    for words, expected in (("tra", {"train"}), ("cells --sc", {"--scale"}), ("cells mul", {"multimodal"})):
        command = f"{script}\n{ask.format(words, len(words.split()))}"
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
        assert set(done.stdout.split()) == expected


@pytest.mark.parametrize("command", COMMANDS)
def test_help_says_what_a_command_does_and_gives_an_example(capsys, command):
    code, out, _ = run(capsys, command, "--help")
    assert code == 0
    assert f"example: pimvae {command}" in " ".join(out.split())


def test_cells_are_listed(capsys, root):
    code, out, _ = run(capsys, "cells", "--scale", "smoke", "--root", root, "linear")
    assert code == 0
    assert len(out.splitlines()) == len(load("smoke", root, ["linear"]).cells)
    assert "linear dense-poe-masked" in out.splitlines()
    _, out, _ = run(capsys, "cells", "--scale", "smoke", "--root", root, "linear", "--json")
    assert [json.loads(line)["train"]["steps"] for line in out.splitlines()] == [4] * 36


MISTAKES = {
    "command": (["trian"], "'train'"),
    "command, nearest": (["trian"], "did you mean 'train'?"),
    "option": (["cells", "--scael", "smoke"], "unknown argument '--scael'; did you mean '--scale'?"),
    "short": (["train", "--data", "d", "--seed", "5"], "unknown argument '--seed'; did you mean '--seeds'?"),
    "word": (["cells", "linear", "dense"], "unknown argument 'dense'"),
    "choice": (["train", "linear", "x", "--device", "cdua"], "did you mean 'cuda'?"),
    "file": (["data", "my.csv"], "'my.csv' is a file, not an experiment"),
    "file to train on": (["train", "my.csv"], "'pimvae train --data my.csv': one array per modality"),
    "folder to train on": (
        ["train", "config"],
        "'config' is a folder, not an experiment: own data are named by --data, 'pimvae train --data config'",
    ),
    "folder by its path": (["evaluate", "./config"], "'./config' is a folder, not an experiment"),
    "no data set": (
        ["train", "linear", "dense-poe-masked", "--data", "config", "--out", "x"],
        "config holds no data set of 'pimvae data': make it with 'pimvae data linear dense', or give own",
    ),
    "no configuration": (["cells", "--root", "nowhere"], "run it in the repository, or say --root FOLDER"),
    "no name": (["train", "--data", "my.npz", "--name", " "], "' ' is no name"),
    "two lines as a name": (["train", "--data", "my.npz", "--name", "a\nb"], r"'a\nb' is no name"),
    "seconds": (["train", "--data", "my.npz", "--checkpoint-seconds", "nan"], "'nan' is no time in seconds"),
    "negative seconds": (["train", "--data", "my.npz", "--checkpoint-seconds=-1"], "'-1' is no time in seconds"),
    "long name": (["cells", "--root", "x" * 300], "File name too long"),
    "scheme": (["schemes", "pooe"], "did you mean 'poe'?"),
    "argument": (["train", "linear"], "required: cell, --data, --out"),
    "scale": (["cells", "--scale", "smok"], "did you mean 'smoke'?"),
    "experiment": (["cells", "liner"], "did you mean 'linear'?"),
    "cell": (["train", "linear", "dense-poe-maskd", "--data", "x", "--out", "x"], "nearest: dense-poe-masked"),
    "device": (["train", "linear", "dense-poe-masked", "--data", "x", "--out", "x", "--device", "gpu"], "'cuda'"),
    "data": (["train", "linear", "dense-poe-masked", "--data", "nowhere", "--out", "x"], "does not exist"),
    "data set": (["data", "linear", "digts", "--out", "x"], "did you mean 'digits'?"),
    "run": (["evaluate", "linear", "dense-poe-masked", "--data", "x", "--run", "nowhere"], "does not exist"),
    "ceiling": (["ceiling", "bimodal", "cluster", "--data", "x", "--out", "y"], "did you mean 'clusters'?"),
    "baselines": (["baselines", "linear", "dens", "--data", "x", "--out", "y"], "did you mean 'dense'?"),
    "ceiling of digits": (["ceiling", "linear", "digits", "--data", "nowhere", "--out", "y"], "does not exist"),
    "cell's folder": (["collect", "--out", "x", "nowhere"], "does not exist"),
    "results": (["claims", "--results", "nowhere", "--out", "x"], "does not exist"),
    "shipped": (["unpack", "--shipped", "nowhere", "--out", "x"], "holds no shipped results"),
    "ship": (["ship", "--results", "nowhere", "--out", "x"], "does not exist"),
    "compare": (["compare", "--fresh", "nowhere", "--shipped", "x", "--out", "x"], "no results lie there"),
    "table": (["tables", "t1", "--results", "x", "--out", "x"], "unknown table 't1'"),
    "figure": (["figures", "f1_bound", "--results", "x", "--out", "x"], "did you mean 'f1_bounds'?"),
}


@pytest.mark.parametrize(("arguments", "helps"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_line(capsys, root, tmp_path, monkeypatch, arguments, helps):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").symlink_to(root / "config")
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (1, "")
    assert err.startswith("pimvae: error: ")
    assert err.count("\n") == 1
    assert helps in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config"]


def test_an_experiment_may_have_the_name_of_a_folder(capsys, root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "linear").mkdir()
    code, _, err = run(capsys, "train", "linear", "--root", root)
    assert code == 1 and "required: cell, --data, --out" in err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        *((KeyboardInterrupt(), 130), (OSError(28, "No space left", "there"), 1), (PermissionError(13, "x", "y"), 1)),
        *((MemoryError(), 1), (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), 1)),
        *((RuntimeError("Overflow when unpacking long"), 1), (OSError(5, "Input/output error", "z"), 1)),
    ],
)
def test_what_comes_from_outside_has_no_traceback(capsys, monkeypatch, error, code):
    def fail(options: object) -> None:
        """Fail."""
        raise error

    monkeypatch.setitem(LOOK.commands, "cells", Command(fail, (), ""))
    got, _, err = run(capsys, "cells")
    assert (got, err.count("\n")) == (code, 1)


def test_what_the_environment_says_is_looked_at(capsys, monkeypatch):
    monkeypatch.setenv("PIMVAE_BAD_CHECKPOINT", "maybe")
    code, _, err = run(capsys, "train", "--data", "my.npz")
    assert code == 1 and "'maybe' is neither 'restart' nor 'stop'" in err and err.count("\n") == 1


@pytest.mark.parametrize(("closing", "code"), [(">&-", 0), ("2>&-", 0), (">/dev/full", 1)])
def test_an_output_that_cannot_be_written_to(root, closing, code):
    command = f"exec {shlex.quote(sys.executable)} -m pimvae.cli schemes poe {closing}"
    environment = {**os.environ, "PYTHONPATH": str(root / "src")}
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=root, env=environment)
    assert done.returncode == code and "Traceback" not in done.stderr
    if code:
        assert done.stderr == "pimvae: error: No space left on device: the output\n"


def test_a_bug_keeps_its_traceback(monkeypatch):
    def fail(options: object) -> None:
        """Fail."""
        raise ZeroDivisionError

    monkeypatch.setitem(LOOK.commands, "cells", Command(fail, (), ""))
    with pytest.raises(ZeroDivisionError):
        main(["cells"])


def test_a_bar_has_no_thread_that_could_outlive_the_command(monkeypatch):
    """Python 3.11 crashes now and then when it is torn down while such a thread ends."""
    before = set(threading.enumerate())
    found = []

    def watched(options):
        """Look for threads."""
        with tqdm(total=1) as bar:
            bar.update()
            found.extend(set(threading.enumerate()) - before)

    monkeypatch.setattr(tqdm, "monitor_interval", 10)
    monkeypatch.setattr(tqdm, "monitor", None)
    monkeypatch.setitem(LOOK.commands, "cells", Command(watched, (), ""))
    assert main(["cells"]) == 0
    assert not found

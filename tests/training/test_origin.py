"""What a record says of where it comes from, and that none of it decides whether a training goes on."""

import json
import subprocess

import pytest
import torch

from pimvae.training import origin
from pimvae.training.device import machine


def git(folder, *arguments):
    identity = ("-c", "user.name=n", "-c", "user.email=e@example.org")
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path):
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.py").write_text("1\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    return tmp_path


def test_the_commit_is_that_of_the_checkout_and_marked_where_sources_changed(checkout):
    head = git(checkout, "rev-parse", "HEAD")
    assert origin.commit(checkout) == head
    (checkout / "results.csv").write_text("not a source")
    assert origin.commit(checkout) == head
    (checkout / "src" / "a.py").write_text("2\n")
    assert origin.commit(checkout) == f"{head}+"


def test_an_archive_inside_another_repository_has_no_commit(checkout):
    (checkout / "unzipped").mkdir()
    assert origin.commit(checkout / "unzipped") is None


def test_without_git_there_is_no_commit(checkout, monkeypatch):
    monkeypatch.setenv("PATH", str(checkout / "empty"))
    assert origin.commit(checkout) is None


def test_the_record_names_processor_and_libraries():
    about = machine(torch.device("cpu"))
    assert about["cpu_model"] and set(about["blas"]) == {"torch", "numpy"} and about["numpy"].count(".") == 2
    assert json.loads(json.dumps(about)) == about


def test_what_a_checkpoint_depends_on_names_neither_commit_nor_processor():
    """The identity of a training takes the versions as a whole."""
    assert set(machine(torch.device("cpu"))["versions"]) == {"pimvae", "python", "torch"}

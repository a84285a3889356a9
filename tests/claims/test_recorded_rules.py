"""The rules that a run is judged by are recorded where it is trained, and collected with its settings."""

import csv
import hashlib
import json

from pimvae.claims.rules import rule_digests
from pimvae.cli import main


def test_from_the_training_to_the_collected_settings(root, tmp_path):
    scale = ["--scale", "smoke", "--root", str(root)]
    data, run, out = (str(tmp_path / name) for name in ("data", "run", "out"))
    cell = ["linear", "dense-poe-masked", "--data", data, *scale]
    assert main(["data", "linear", "dense", "--out", data, *scale]) == 0
    assert main(["train", *cell, "--out", run]) == 0
    path = root / "config" / "claims.yaml"
    digests, whole = rule_digests(path), hashlib.sha256(path.read_bytes()).hexdigest()
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert (record["claims"], record["claims_sha256"]) == (digests, whole)
    assert main(["evaluate", *cell, "--run", run]) == 0
    assert main(["collect", "--out", out, run]) == 0
    with (tmp_path / "out" / "settings.csv").open() as file:
        settings = {row["key"]: row["value"] for row in csv.DictReader(file)}
    assert settings["claims_sha256"] == whole
    assert {key: value for key, value in settings.items() if key.startswith("claims.")} == {
        f"claims.{name}": digest for name, digest in digests.items()
    }

"""Arguments that several commands share, and what several commands ask of them."""

__all__ = ["BETAS", "CLAIMS", "DATASET", "DRAWN", "EXPERIMENT", "OUT_FILE", "OUT_FOLDER", "RESULTS", "ROOT", "SCALE",
           "SCALE_NAME", "experiment_name", "written_by"]  # fmt: skip

import argparse
import shlex
from pathlib import Path

from pimvae.cli.parser import Add, option


def experiment_name(text: str) -> str:
    """The name of an experiment as an argument; the path of data there is a mistake that is explained.

    Raises:
        argparse.ArgumentTypeError: for a path, with what data of one's own have to look like.
    """
    if "." in text or "/" in text or Path(text).is_file():  # names of experiments have neither
        kind = "folder" if Path(text).is_dir() else "file"
        raise argparse.ArgumentTypeError(
            f"'{text}' is a {kind}, not an experiment; your own data go to 'pimvae train --data {shlex.quote(text)}': "
            "one array per modality in an .npz file, or one table per modality, each with its own --data or all in a "
            "folder; a row per sample, NaN or nothing where it is missing (docs/own_data.md)"
        )
    return text


def written_by(flag: str, command: str) -> Add:
    """A folder that another command wrote."""
    return option(flag, type=Path, required=True, help=f"folder that 'pimvae {command}' wrote")


EXPERIMENT = option("experiment", type=experiment_name, help="name of a file in config/experiments")
DATASET = option("dataset", help="one of its data sets")
DRAWN = written_by("--data", "data")
SCALE = option("--scale", help="name of a file in config/scales, or auto (default: what config/config.yaml says)")
BETAS = option("--betas", type=float, nargs="+", metavar="B", help="only replicas with these β (default: what "
               "config/config.yaml says)")  # fmt: skip
ROOT = option("--root", type=Path, default=Path("."), help="folder that holds config/ (default: where you are)")
OUT_FOLDER = option("--out", type=Path, required=True, help="folder to write to")
OUT_FILE = option("--out", type=Path, required=True, help="file to write")
RESULTS = written_by("--results", "collect")
CLAIMS = option("--claims", type=Path, help="file of claims (default: config/claims.yaml)")
SCALE_NAME = option("--scale", required=True, help="name of the scale, for the text")

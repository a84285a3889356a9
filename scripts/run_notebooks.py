"""Run the notebooks that are read without being run, and keep their outputs in version control.

Only what a reader sees is kept: no times, no counters, no warnings of the kernel. Where nothing has changed, the files
stay the same.

usage: python scripts/run_notebooks.py RESULTS: RESULTS is the folder that the second notebook reads
"""

import base64
import io
import os
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ("01_tour", "02_read_the_results")
TIMEOUT = 600  # seconds that one cell may take
COLOURS = 64
WIDEST = 1000  # pixels
KEPT = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"}}  # fmt: skip


def main(results: Path) -> None:
    """Run them one after the other, in their folder."""
    os.environ["PIMVAE_RESULTS"] = os.path.relpath(results.resolve(), ROOT)
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    with tempfile.TemporaryDirectory() as settings:  # no profile of the user's: it could change what is shown
        os.environ["IPYTHONDIR"] = settings
        for name in NOTEBOOKS:
            path = ROOT / "notebooks" / f"{name}.ipynb"
            notebook = nbformat.read(path, as_version=4)
            NotebookClient(notebook, timeout=TIMEOUT, kernel_name="python3", resources=_folder(path)).execute()
            nbformat.write(cleaned(notebook), path)
            print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.0f} kB")


def cleaned(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The notebook with its outputs, and without what differs from run to run."""
    ours = {"pimvae": notebook.metadata["pimvae"]} if "pimvae" in notebook.metadata else {}
    notebook.metadata = nbformat.from_dict(KEPT | ours)
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict({})
        if cell.cell_type == "code":
            cell.execution_count = None
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
            for output in cell.outputs:
                if "execution_count" in output:
                    output.execution_count = None
                if "image/png" in output.get("data", {}):
                    output.data["image/png"] = small(output.data["image/png"])
    return notebook


def small(png: str) -> str:
    """A picture in at most ``COLOURS`` colours, a fraction of its size; base64 as it comes."""
    picture = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
    if picture.width > WIDEST:
        picture = picture.resize((WIDEST, picture.height * WIDEST // picture.width), Image.Resampling.LANCZOS)
    written = io.BytesIO()
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(written, format="png", optimize=True)
    return base64.b64encode(written.getvalue()).decode("ascii") + "\n"


def _folder(path: Path) -> dict[str, dict[str, str]]:
    return {"metadata": {"path": str(path.parent)}}


if __name__ == "__main__":
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_dir():
        sys.exit("usage: python scripts/run_notebooks.py RESULTS: a folder that 'pimvae collect' or 'ship' wrote")
    main(Path(sys.argv[1]))

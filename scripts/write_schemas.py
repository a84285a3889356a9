"""Write config/schemas/*.json, by which editors complete and check the YAML files of config/ while they are written.

They come from the models that check these files when they are read. A test holds them together: after a change of
src/pimvae/config, run this again.

usage: python scripts/write_schemas.py [FOLDER], default config/schemas
"""

import json
import sys
from pathlib import Path

from pydantic import TypeAdapter

from pimvae.claims.schema import AuditClaim, Claim
from pimvae.config.files import ExperimentFile, ScaleFile, Settings

ROOT = Path(__file__).resolve().parents[1]
MODELS = {
    "config": (Settings, "config/config.yaml"),
    "experiment": (ExperimentFile, "config/experiments/*.yaml"),
    "scale": (ScaleFile, "config/scales/*.yaml"),
    "claims": (list[AuditClaim | Claim], "config/claims.yaml"),
}


def schemas() -> dict[str, dict[str, object]]:
    """The schema of every kind of file, by name."""
    found = {}
    for name, (model, files) in MODELS.items():
        content = TypeAdapter(model).json_schema()
        content["$schema"] = "https://json-schema.org/draft/2020-12/schema"
        content["$comment"] = f"Of {files}; written by scripts/write_schemas.py."
        found[name] = content
    return found


def main(folder: Path) -> None:
    """Write all of them."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in schemas().items():
        text = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
        (folder / f"{name}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "config" / "schemas")

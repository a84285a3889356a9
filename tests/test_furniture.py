"""What stands around the code: versions agree, links lead somewhere, files that other tools read have their form."""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import jinja2
import pytest
import yaml

import pimvae
from pimvae import registry

DOCS = sorted(f"docs/{path.name}" for path in Path(__file__).parents[1].glob("docs/*.md"))
PAGES = ["README.md", "CONTRIBUTING.md", "config/README.md", "figures/README.md", *DOCS]


def text(root: Path, name: str) -> str:
    return (root / name).read_text(encoding="utf-8")


def test_the_version_is_the_same_everywhere(root):
    found = {
        "CITATION.cff": yaml.safe_load(text(root, "CITATION.cff"))["version"],
        ".zenodo.json": json.loads(text(root, ".zenodo.json"))["version"],
        "README.md": re.search(r"version = \{(.*?)\}", text(root, "README.md"))[1],
        "CHANGELOG.md": re.search(r"^## (\d[\d.]*)$", text(root, "CHANGELOG.md"), re.MULTILINE)[1],
    }
    assert found == dict.fromkeys(found, pimvae.__version__)


def test_the_publication_is_what_is_to_be_cited(root):
    citation = yaml.safe_load(text(root, "CITATION.cff"))
    assert citation["preferred-citation"]["type"] == "article" and citation["cff-version"] == "1.2.0"
    title = citation["preferred-citation"]["title"]
    check = yaml.safe_load(text(root, "codecheck.yml"))
    assert check["paper"]["title"] == title and title in text(root, "README.md")
    people = citation["preferred-citation"]["authors"]
    names = [f"{person['given-names']} {person['family-names']}" for person in people]
    assert names == [author["name"] for author in check["paper"]["authors"]]


def test_what_is_to_be_checked_is_what_the_workflow_makes(root):
    for entry in yaml.safe_load(text(root, "codecheck.yml"))["manifest"]:
        path = Path(entry["file"])
        kind = {"figures": "report.figures", "paper": "report.tables"}.get(path.parts[0])
        if len(path.parts) > 2 and kind:
            assert path.stem in registry.names(kind)
        else:
            assert entry["file"] in ("paper/paper.pdf", "results/laptop/claims.txt", "results/laptop/metrics.csv")


@pytest.mark.parametrize("name", registry.names("report.figures"))
def test_a_figure_of_the_report_has_a_caption_of_its_own(root, name):
    template = jinja2.Template(text(root, "workflow/report/figure.rst"))
    caption = template.render(snakemake=SimpleNamespace(wildcards=SimpleNamespace(figure=name)))
    assert "its caption is there" not in caption and caption.count("The CSV of the same name") == 1


@pytest.mark.parametrize("name", PAGES)
def test_links_and_pictures_of_a_page_are_there(root, name):
    content = re.sub(r"```.*?```", "", text(root, name), flags=re.DOTALL)
    targets = [*re.findall(r"\]\(([^)#\s]+)", content), *re.findall(r'<img src="([^"]+)"', content)]
    for target in targets:
        if not target.startswith("http"):
            assert (root / name).parent.joinpath(target).exists(), target


def spans(content: str) -> list[str]:
    """The inline code of a page: what stands between equal runs of backticks in one paragraph, outside of blocks."""
    prose = re.sub(r"^ *```.*?^ *```", "", content, flags=re.MULTILINE | re.DOTALL)
    span = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)
    return [found[1] for paragraph in re.split(r"\n\s*\n", prose) for found in span.findall(paragraph)]


def test_spans_are_found():
    assert spans("a `b c` d ``e ` f``\n```sh\n`g\nh`\n```\n`i\nj`") == ["b c", "e ` f", "i\nj"]


@pytest.mark.parametrize("name", PAGES)
def test_no_inline_code_crosses_the_end_of_a_line(root, name):
    """Nobody can copy such a command, and a search does not find it."""
    assert [span for span in spans(text(root, name)) if "\n" in span] == []


def test_every_key_of_the_configuration_is_documented(root):
    said = " ".join(span for page in ("config/README.md", *DOCS) for span in spans(text(root, page)))
    missing = [key for key in yaml.safe_load(text(root, "config/config.yaml")) if not re.search(rf"\b{key}\b", said)]
    assert missing == []
    assert "`--config 'betas=[1]'`" in text(root, "config/README.md")


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "docs/ARCHITECTURE.md", "docs/EXTENDING.md"])
def test_files_and_commands_that_a_page_names_exist(root, name):
    content = text(root, name)
    made = ("results/", "figures/", "paper/paper.pdf", "paper/beyond.pdf", "paper/tables/", ".venv")
    for found in re.findall(r"`((?:src|docs|config|tests|scripts|notebooks|paper|workflow)/[\w./*-]+)`", content):
        example = re.search("max_pooling|sub_sampled|<", found)
        if not found.startswith(made) and not example:
            assert list(root.glob(found)), found
    targets = set(re.findall(r"^([a-z-]+):", text(root, "Makefile"), re.MULTILINE))
    for found in re.findall(r"`make ([a-z -]+)", content):
        assert set(found.split()) <= targets, found


def test_architecture_is_one_page(root):
    assert len(text(root, "docs/ARCHITECTURE.md").splitlines()) < 90


def test_the_drawing_of_the_rules_has_the_rules(root):
    drawn = set(re.findall(r"^    (\w+) --> (\w+)$", text(root, "docs/WORKFLOW.md"), re.MULTILINE))
    assert {("train", "evaluate"), ("evaluate", "collect"), ("collect", "claims"), ("figure", "paper")} <= drawn

"""The pages made from code say what the code says, and the docs site has every page in its navigation."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import yaml
from pages import ROOT

from emgen.host.host import load_host


def test_the_generated_reference_pages_are_up_to_date() -> None:
    script = ROOT / "scripts" / "write_reference.py"
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_metric_that_ships_is_explained() -> None:
    text = (ROOT / "docs/reference/metrics.md").read_text()
    own = [name for name, item in load_host().plugins("metric").items() if item.distribution == "emgen"]
    assert [name for name in own if f"`{name}`" not in text] == []


def pages_of(entry: object) -> list[str]:
    if isinstance(entry, str):
        return [entry]
    parts = entry.values() if isinstance(entry, dict) else entry
    return [page for part in parts for page in pages_of(part)]  # type: ignore[attr-defined]


def test_every_page_is_in_the_navigation() -> None:
    navigation = yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]
    docs = ROOT / "docs"
    assert sorted(pages_of(navigation)) == sorted(str(page.relative_to(docs)) for page in docs.rglob("*.md"))


def test_changelog_fragments_are_named_after_what_they_say() -> None:
    kinds = {"added", "changed", "fixed"}
    fragments = [file for file in (ROOT / "changelog.d").iterdir() if file.name != "README.md"]
    wrong = [file.name for file in fragments if file.suffix != ".md" or Path(file.stem).suffix[1:] not in kinds]
    assert wrong == []

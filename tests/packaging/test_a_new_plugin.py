"""A third party's first hour: ``emgen plugins new``, a wheel of it, a fresh environment, its tests, a spec."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from environments import Environment, build_wheel

pytestmark = pytest.mark.slow

KINDS = ("rough_segmenter", "contrast_gan", "downstream_task")


def test_new_plugins_are_installed_listed_checked_and_named_in_a_spec(wheel: Path, tmp_path: Path) -> None:
    environment = Environment.make(tmp_path / "venv", wheel)
    for kind in KINDS:
        name = f"fresh-{kind.replace('_', '-')}"
        environment.run("-m", "emgen", "plugins", "new", name, "--kind", kind, cwd=tmp_path)
        project = tmp_path / f"emgen-{name}"
        environment.install(build_wheel(project, tmp_path / "wheels" / kind))
        assert "passed" in environment.run("-m", "pytest", "-q", project / "tests", cwd=tmp_path)
        assert "0 failed" in environment.run("-m", "emgen", "plugins", "check", name, cwd=tmp_path)
    listed = json.loads(environment.run("-m", "emgen", "plugins", "list", "--json", cwd=tmp_path))
    assert listed["failures"] == []
    assert {f"emgen-fresh-{kind.replace('_', '-')}" for kind in KINDS} < {p["distribution"] for p in listed["plugins"]}
    slots = {kind: f"fresh-{kind.replace('_', '-')}" for kind in KINDS}
    spec = {"images": ["*.tif"], "modality": "haadf-stem", **slots}
    code = f"from emgen.spec import load_spec; print(load_spec({spec!r}).downstream_task)"
    assert "epochs=5" in environment.run("-c", code, cwd=tmp_path)  # the plugin's own preset `quick`

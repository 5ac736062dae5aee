"""A run leaves in ``model/`` what its micrographs look like to its model; one of too few says why it does not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tandem_inputs import small_spec, write_images

from emgen.domain import FILE, Reference
from emgen.engine import run_spec
from emgen.host import Host
from emgen.model import load_model
from emgen.testing import fakes


def finish(folder: Path, monkeypatch: pytest.MonkeyPatch, count: int) -> Path:
    monkeypatch.setattr("emgen.report.write_report", lambda folder: folder / "report.html")
    monkeypatch.setattr("emgen.engine.run.Run.measure_response", lambda *parts: None)
    spec = small_spec(write_images(folder / "images", count), metrics=["fake-metric"], split={"subset1": 1, "guard": 4})
    return run_spec(spec, folder / "run", host=Host.from_modules([fakes]), progress=False).folder


def test_the_model_of_a_run_knows_the_domain_of_its_micrographs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = finish(tmp_path, monkeypatch, count=4)
    reference = Reference.load(run / "model")
    assert reference is not None
    assert reference.smallest_alpha == 1 / 5
    assert set(reference.shape.steps) == {"defocused", "inverted", "magnified", "noisier", "reduced"}
    model = load_model(run, host=Host.from_modules([fakes]), device="cpu")
    assert model.domain is not None
    assert model.domain.to_dict() == reference.to_dict()


def test_a_run_on_two_micrographs_says_why_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = finish(tmp_path, monkeypatch, count=2)
    assert not (run / "model" / FILE).exists()
    notes = json.loads((run / "manifest.json").read_text())["notes"]
    assert any("takes 3 micrographs" in note for note in notes), notes

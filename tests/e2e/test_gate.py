"""The gate in a run of instant fakes: a contrast GAN that wipes particles out must not reach the model's training."""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tandem_inputs import small_spec, write_images

import emgen.fidelity.check  # noqa: F401
from emgen import hookimpl
from emgen.engine import run_spec
from emgen.errors import Interrupted, NoParticlesError
from emgen.host import Host
from emgen.registration import StageConfig, StagePlugin
from emgen.testing import fakes

HERE = __name__
Start = Callable[..., Any]


class Wiping(StageConfig):
    """Wipes out every n-th particle-like thing."""

    every: int = 3


class Wiper:
    """A contrast GAN that replaces bright pixels by background: in every ``every``-th image all of them."""

    def __init__(self, config: Wiping, context: Any = None) -> None:
        self.every = config.every

    def fit(self, source_NHW: Any, target_MHW: Any, context: Any) -> None:
        context.log(0, {"loss": 0.0})

    def translate(self, source_NHW: Any, rng: np.random.Generator) -> Any:
        images = np.array(source_NHW)
        for index in range(len(images)):
            ground = images[index] < (images[index].min() + images[index].max()) / 2
            if index % self.every == 0:
                noise = rng.choice(images[index][ground], images[index].shape)
                images[index] = np.where(ground, images[index], noise)
        return images

    def save(self, folder: Path) -> None:
        (folder / "wiper.json").write_text("{}")

    def load(self, folder: Path) -> None: ...


@hookimpl
def emgen_contrast_gans() -> list[StagePlugin]:
    return [StagePlugin(name="wiper", config=Wiping, create=f"{HERE}:Wiper", summary="wipes particles out")]


@pytest.fixture
def host() -> Host:
    module = types.SimpleNamespace(emgen_contrast_gans=emgen_contrast_gans)
    module.__name__ = HERE
    return Host.from_modules([fakes, module])


@pytest.fixture
def start(tmp_path: Path, host: Host, monkeypatch: pytest.MonkeyPatch) -> Start:
    monkeypatch.setattr("emgen.report.write_report", lambda folder: folder)
    images = write_images(tmp_path / "images")

    def run(mode: str, every: int = 3, **gate: Any) -> Any:
        changes = {
            "metrics": [],
            "checkpoints": {"candidates": 0},
            "data": {"crop": 64, "working_diameter": 8.0, "crops_per_micrograph": 6},
            "virtual": {"images": 18},
            "gate": {"mode": mode, **gate},
            "contrast_gan": {"uses": "wiper", "every": every},
        }
        return run_spec(small_spec(images, **changes), tmp_path / "run", host=host, progress=False)

    return run


def gate_of(result: Any, label: str = "gate second_generation") -> Any:
    summary: Any = json.loads((result.artifacts[label] / "fidelity.json").read_text())
    return summary


def labels_made(result: Any) -> list[str]:
    return [step["label"] for step in json.loads((result.folder / "manifest.json").read_text())["steps"]]


def test_wiped_out_particles_leave_the_labels_that_are_trained_on(start: Start) -> None:
    result = start("correct")
    assert result.outcome.first.fidelity["pass_rate"] > 0.95
    assert gate_of(result)["counts"]["erased"] > 0.2 * gate_of(result)["counts"]["labelled"]
    images, labels = result.outcome.second.images.open(), result.outcome.second.labels.open()
    assert len(images) == len(labels) < 18
    for image_HW, label_HW in zip(images, labels, strict=True):
        assert image_HW[label_HW > 0].mean() > image_HW[label_HW == 0].mean() + 0.2


def test_rates_are_in_the_scores_and_on_record(start: Start) -> None:
    result = start("correct")
    scores = json.loads((result.folder / "metrics.json").read_text())
    assert scores["second_generation"]["label-fidelity"]["pass_rate"] < 0.8
    assert scores["first_generation"]["label-fidelity"]["pass_rate"] > 0.95
    record = json.loads((result.folder / "manifest.json").read_text())
    assert record["fidelity"]["gate second_generation"]["erased"] > 0.2
    assert 0 <= record["fidelity"]["fidelity of rough masks"]["pass_rate"] <= 1


def test_every_verdict_is_kept_image_by_image(start: Start) -> None:
    result = start("correct")
    text = (result.artifacts["gate second_generation"] / "fidelity.jsonl").read_text()
    rows = [json.loads(line) for line in text.splitlines()]
    assert [row["image"] for row in rows] == list(range(len(result.outcome.first)))
    assert sum(row["kept"] for row in rows) == len(result.outcome.second)
    assert {"erased", "sound"} <= {verdict for row in rows for verdict in row["verdicts"].values()}


def test_a_report_counts_and_changes_nothing(start: Start) -> None:
    result = start("report")
    assert result.outcome.second.labels == result.outcome.masks
    assert len(result.outcome.second) == 18
    assert result.outcome.second.fidelity["pass_rate"] < 0.8


def test_no_gate_no_check(start: Start) -> None:
    result = start("off")
    assert not [label for label in labels_made(result) if "gate" in label or "fidelity" in label]
    assert result.outcome.second.fidelity == {}
    assert len(result.outcome.second) == 18


def test_quarantine_leaves_out_whole_images_down_to_the_least_share_and_says_so(start: Start) -> None:
    result = start("quarantine", every=2, least_kept=0.8)
    found = gate_of(result)
    assert found["counts"]["spared"] > 0
    assert len(result.outcome.second) >= 0.8 * 18 - 1
    notes = json.loads((result.folder / "manifest.json").read_text())["notes"]
    assert any("gate.least_kept" in note for note in notes)


def test_a_generation_that_shows_nothing_is_refused_with_the_way_out(start: Start) -> None:
    with pytest.raises(NoParticlesError, match=r"gate\.mode: report"):
        start("correct", every=1)


def test_a_gate_that_was_stopped_goes_on_where_it_was(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    module = sys.modules["emgen.fidelity.check"]  # the package has a function of that name
    whole = module.measure_stack
    pieces: list[list[int]] = []

    def stops(images: Any, labels: Any, polarity: Any, sizes: Any, indices: Any, seed: int = 0) -> Any:
        if next(iter(indices)) >= 16 and not pieces.count([-1]):
            pieces.append([-1])
            raise Interrupted("stopped")
        pieces.append(list(indices))
        return whole(images, labels, polarity, sizes, indices, seed)

    monkeypatch.setattr(module, "measure_stack", stops)
    with pytest.raises(Interrupted):
        start("report")
    before = len(pieces)
    result = start("report")
    after = pieces[before:]
    assert [16, 17] in after
    assert list(range(16)) not in after[: after.index([16, 17])]
    assert result.outcome.first.fidelity["pass_rate"] > 0.95

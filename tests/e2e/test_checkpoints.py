"""States of a GAN whose quality by step is known: the right one is found without a label and kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from staged_gans import FAIL_AT, staged_host
from tandem_inputs import small_spec, write_images

from emgen.artifacts import Artifact, open_stack
from emgen.engine import opened_run
from emgen.engine.handles import Generation
from emgen.errors import SpecError, StageFailedError
from emgen.spec import load_spec

DULL = (0.1, 0.3, 0.3, 0.3)


@pytest.fixture(autouse=True)
def unbroken() -> Iterator[None]:
    FAIL_AT["step"] = None
    yield
    FAIL_AT["step"] = None


@pytest.fixture
def images(tmp_path: Path) -> Path:
    return write_images(tmp_path / "images", count=4)


def trained(
    images: Path, out: Path, quality: tuple[float, ...], slot: str = "morphology_gan", **checkpoints: Any
) -> Any:
    """The artifact of one GAN."""
    name = {"morphology_gan": "staged-painter", "contrast_gan": "staged-fader"}[slot]
    settings = {"candidates": 4, "probes": 16, "patience": None, **checkpoints}
    changes = {slot: {"uses": name, "quality": list(quality)}, "checkpoints": settings, "metrics": []}
    host = staged_host()
    spec = load_spec(small_spec(images, **changes), host=host)
    with opened_run(spec, out, host=host, progress=False) as run:
        micrographs = run.read()
        parts = run.split(micrographs, run.segment_roughly(micrographs))
        sampler = run.fit_sampler(parts)
        morphology = run.train_morphology(parts, sampler)
        if slot == "morphology_gan":
            return morphology
        masks = run.sample_masks(sampler)
        return run.train_contrast(Generation(run.generate(morphology, masks), masks), parts)


def kept(artifact: Artifact) -> float:
    """The quality of the state in the model folder."""
    quality: float = json.loads(artifact.path("model/quality.json").read_text())
    return quality


@pytest.mark.parametrize("slot", ["morphology_gan", "contrast_gan"])
@pytest.mark.parametrize("best", [0, 2, 3])
def test_the_best_state_is_kept_wherever_it_stands(images: Path, tmp_path: Path, slot: str, best: int) -> None:
    quality = (*DULL[:best], 1.0, *DULL[: 3 - best])
    artifact = trained(images, tmp_path / "run", quality, slot)
    assert kept(artifact) == 1.0
    table = artifact.read("checkpoints.json")
    assert table["chosen"] == best + 1
    assert [row["step"] for row in table["candidates"] if row["chosen"]] == [best + 1]


def test_the_table_says_what_was_compared_and_why(images: Path, tmp_path: Path) -> None:
    table = trained(images, tmp_path / "run", (0.2, 1.0, 0.4, 0.0)).read("checkpoints.json")
    assert [each["name"] for each in table["criteria"]] == ["fake-metric", "contrast", "fidelity", "sizes"]
    worst = table["candidates"][3]
    assert worst["out"] == "contrast", "particles that are not there have none"
    assert worst["measures"]["fidelity"]["value"] < 0.3
    best = table["candidates"][1]
    assert best["measures"]["fidelity"]["low"] <= 1.0 <= best["measures"]["fidelity"]["high"]
    assert table["order"][0] == 2
    assert "left out" in table["why"]
    assert table["probes"] == 16


def test_the_same_probes_are_kept_as_pictures_of_every_state(images: Path, tmp_path: Path) -> None:
    artifact = trained(images, tmp_path / "run", (0.0, 1.0, 0.6, 0.2))
    label_NHW = open_stack(artifact.path("shown/label"))[:]
    bright = [float(open_stack(artifact.path(f"shown/{step:06d}"))[:][label_NHW > 0].mean()) for step in (1, 2, 3, 4)]
    assert bright.index(max(bright)) == 1
    assert bright.index(min(bright)) == 0


def test_only_the_chosen_state_is_kept_unless_all_are_asked_for(images: Path, tmp_path: Path) -> None:
    artifact = trained(images, tmp_path / "run", (0.1, 1.0, 0.2, 0.3))
    assert not artifact.path("snapshots").exists()
    assert not artifact.path("scratch").exists()
    artifact = trained(images, tmp_path / "run", (0.1, 1.0, 0.2, 0.3), keep=True)
    assert [path.name for path in sorted(artifact.path("snapshots").iterdir())] == [f"{n:06d}" for n in (1, 2, 3, 4)]


def test_a_training_that_no_longer_gets_better_is_ended(images: Path, tmp_path: Path) -> None:
    artifact = trained(images, tmp_path / "run", (1.0, 0.2, 0.1, 0.9), patience=2)
    table = artifact.read("checkpoints.json")
    assert [row["step"] for row in table["candidates"]] == [1, 2, 3]
    assert kept(artifact) == 1.0


def test_killed_after_a_state_was_judged_a_training_ends_with_the_same_choice(images: Path, tmp_path: Path) -> None:
    quality = (0.2, 1.0, 0.4, 0.1)
    FAIL_AT["step"] = 3
    with pytest.raises(StageFailedError, match="killed"):
        trained(images, tmp_path / "killed", quality)
    FAIL_AT["step"] = None
    (partial,) = (tmp_path / "killed" / "stages").glob("morphology_gan-*.partial")
    judged = json.loads((partial / "checkpoints.json").read_text())["candidates"]
    assert [row["step"] for row in judged] == [1, 2, 3]
    again = trained(images, tmp_path / "killed", quality)
    assert again.read("checkpoints.json")["candidates"][0]["seconds"] == judged[0]["seconds"]
    whole = trained(images, tmp_path / "whole", quality)
    assert kept(again) == kept(whole) == 1.0
    assert without_times(again) == without_times(whole)


def without_times(artifact: Artifact) -> dict[str, Any]:
    table: dict[str, Any] = artifact.read("checkpoints.json")
    return {**table, "candidates": [{**row, "seconds": None} for row in table["candidates"]]}


def test_without_candidates_the_last_state_is_kept(images: Path, tmp_path: Path) -> None:
    artifact = trained(images, tmp_path / "run", (1.0, 0.2), candidates=0)
    assert kept(artifact) == 0.2
    assert not artifact.path("checkpoints.json").exists()


def test_how_states_are_ranked_is_part_of_the_key(images: Path, tmp_path: Path) -> None:
    keys = {
        trained(images, tmp_path / "run", (1.0, 0.2), **changes).key
        for changes in ({}, {"probes": 8}, {"sizes": False}, {"candidates": 2}, {"patience": 1}, {"candidates": 0})
    }
    assert len(keys) == 6


def test_states_cannot_be_ranked_by_a_metric_that_needs_truth(images: Path, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"checkpoints\.by\.0.*sets of images alone"):
        trained(images, tmp_path / "run", (1.0, 0.2), by=["fake-iou"])

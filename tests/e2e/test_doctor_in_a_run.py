"""The data doctor at the start of a run: what it says, what it refuses, what it leaves alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tandem_inputs import disc_image, small_spec, write_images

from emgen.engine import run_spec
from emgen.engine.launch import opened_run
from emgen.errors import DataError
from emgen.host import Host
from emgen.spec import load_spec
from emgen.testing import fakes

Read = Callable[..., dict[str, Any]]
HOST = Host.from_modules([fakes])


@pytest.fixture
def images(tmp_path: Path) -> Path:
    return write_images(tmp_path / "images")


@pytest.fixture
def read(tmp_path: Path, images: Path) -> Read:
    """``read(**changes of data)`` does the steps up to the split, and returns the manifest."""

    def start(out: Path = tmp_path / "run", split: dict[str, Any] | None = None, **data: Any) -> dict[str, Any]:
        spec = small_spec(images)
        spec["data"] = {**spec["data"], **data}
        spec["split"] = {**spec["split"], **(split or {})}
        with opened_run(load_spec(spec, (), HOST), out, host=HOST, progress=False) as run:
            micrographs = run.read()
            run.split(micrographs, run.segment_roughly(micrographs))
        manifest: dict[str, Any] = json.loads((out / "manifest.json").read_text())
        return manifest

    return start


def labels(manifest: dict[str, Any]) -> list[str]:
    return [step["label"] for step in manifest["steps"]]


def findings(manifest: dict[str, Any], label: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = manifest["doctor"][label]
    return found


def test_a_clean_stack_is_examined_and_nothing_is_said(read: Read, tmp_path: Path) -> None:
    manifest = read()
    assert labels(manifest) == ["micrographs", "examination", "rough_segmenter", "split", "leaks"]
    assert manifest.get("notes", []) == []
    assert findings(manifest, "leaks") == []


def test_what_is_found_stands_in_the_notes_and_in_an_artifact(read: Read, images: Path, tmp_path: Path) -> None:
    np.save(images / "copy.npy", disc_image(1)[::-1])
    manifest = read()
    (found, *_) = findings(manifest, "examination")
    assert (found["check"], found["names"]) == ("duplicate", ["copy", "image1"])
    assert any("the same image more than once (copy, image1)" in note for note in manifest["notes"])


def test_a_place_held_out_in_one_micrograph_and_trained_on_in_another_is_a_leak(
    read: Read, images: Path, tmp_path: Path
) -> None:
    for name in ("image0", "image1", "image2"):
        np.save(images / f"{name}_copy.npy", np.load(images / f"{name}.npy")[:, ::-1])
    manifest = read(split={"by": "micrograph", "held_out": 0.2, "subset1": 0.3})
    (leak,) = findings(manifest, "leaks")
    assert leak["check"] == "leak"
    assert "100 % in subset" in leak["measured"]
    assert any("held out in one micrograph and trained on in another" in note for note in manifest["notes"])


def test_off_skips_it_and_leaves_every_later_artifact_as_it_was(read: Read, tmp_path: Path) -> None:
    keys = [
        {step["label"]: step["key"] for step in read(tmp_path / mode, doctor=mode)["steps"]} for mode in ("warn", "off")
    ]
    assert "examination" not in keys[1]
    assert keys[1].items() <= keys[0].items()


def test_strict_stops_on_a_warning_and_says_what_to_do(read: Read, images: Path) -> None:
    np.save(images / "copy.npy", disc_image(1))
    with pytest.raises(DataError, match=r"(?s)the same image more than once.*Keep one of each.*data.doctor: warn"):
        read(doctor="strict")


def test_a_stack_of_nothing_but_noise_stops_the_run_unless_the_doctor_is_off(read: Read, images: Path) -> None:
    for index, path in enumerate(sorted(images.iterdir())):
        np.save(path, np.random.default_rng(index).normal(100, 10, (160, 176)).astype(np.float32))
    with pytest.raises(DataError, match=r"nothing|noise.*data.doctor: off"):
        read()


def test_a_second_run_takes_the_findings_from_the_store(read: Read) -> None:
    read()
    again = read()
    assert [step["cached"] for step in again["steps"]] == [True] * 5


def test_the_report_of_a_run_shows_the_findings(images: Path, tmp_path: Path) -> None:
    np.save(images / "copy.npy", disc_image(1)[::-1])
    result = run_spec(small_spec(images, metrics=["fake-metric"]), tmp_path / "run", host=HOST, progress=False)
    assert result.report is not None
    page = result.report.read_text()
    assert 'id="doctor"' in page
    assert "the same image more than once" in page
    assert "Keep one of each" in page

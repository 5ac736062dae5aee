"""A spec may say what reads its micrographs, and with which settings; the model reads its next ones alike."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner

import emgen_readers.plugin
from emgen import hookimpl
from emgen.api import segment
from emgen.artifacts import Artifact
from emgen.cli import main
from emgen.data import Micrograph
from emgen.data.masks import read_labels
from emgen.engine import run_spec
from emgen.engine.launch import RunResult, opened_run
from emgen.errors import PluginError, SpecError
from emgen.host import Host, use_host
from emgen.registration import ReaderPlugin, StageConfig
from emgen.spec import load_spec
from emgen.testing import fakes
from emgen.testing.conformance import inputs

HERE = __name__


class HalfConfig(StageConfig):
    half: Literal["left", "right"] = "left"


class HalfReader:
    """Of a TIFF with two views side by side, one."""

    def __init__(self, config: HalfConfig) -> None:
        self.config = config

    def open(self, path: Path) -> Sequence[Micrograph]:
        image_HW = tifffile.imread(path)
        middle = image_HW.shape[1] // 2
        part_HW = image_HW[:, :middle] if self.config.half == "left" else image_HW[:, middle:]
        return [Micrograph(part_HW, name=path.stem, source=path)]


def plugin_module(**changes: Any) -> ModuleType:
    given: dict[str, Any] = {"name": "tiff-half", "suffixes": (".tif",), "config": HalfConfig, "summary": "one half"}
    module = ModuleType("halves")
    plugin = ReaderPlugin(create=f"{HERE}:HalfReader", **{**given, **changes})
    module.emgen_readers = hookimpl(lambda: [plugin], specname="emgen_readers")  # type: ignore[attr-defined]
    return module


@pytest.fixture(scope="module")
def host() -> Host:
    return Host.from_modules([fakes, emgen_readers.plugin, plugin_module()])


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Particles on the left, noise on the right."""
    folder = tmp_path_factory.mktemp("images")
    for seed in range(4):
        left_HW = inputs.images(inputs.labels(1, (96, 96), seed))[0]
        right_HW = np.random.default_rng(seed).uniform(0, 0.2, (96, 96))
        tifffile.imwrite(folder / f"both_{seed}.tif", (255 * np.hstack([left_HW, right_HW])).astype(np.uint8))
    return str(folder / "*.tif")


@pytest.fixture(scope="module")
def left(host: Host, images: str, tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    return run_spec(spec_of(images, "tiff-half"), tmp_path_factory.mktemp("left"), host=host, progress=False)


def spec_of(images: str, reader: Any = None) -> dict[str, Any]:
    data = {"crop": 32, "scale": "native", "doctor": "off"} | ({"reader": reader} if reader else {})
    small = {"virtual": {"images": 4}, "gate": {"mode": "off"}, "checkpoints": {"candidates": 0}, "metrics": []}
    return {"images": images, "modality": "fake-modality", "data": data, **small}


def shapes_of(folder: Path) -> set[tuple[int, ...]]:
    manifest = json.loads((folder / "manifest.json").read_text())
    return {tuple(row["shape_HW"]) for row in manifest["data"]["micrographs"]}


def test_without_a_choice_emgens_own_reader_of_the_suffix_reads(host: Host, images: str) -> None:
    assert load_spec(spec_of(images), host=host).data.reader is None


@pytest.mark.parametrize("reader", ["tiff-half", {"uses": "tiff-half"}, {"uses": "tiff-half", "half": "right"}])
def test_a_spec_names_a_reader_and_its_settings(host: Host, images: str, reader: Any) -> None:
    spec = load_spec(spec_of(images, reader), host=host)
    assert spec.data.reader is not None
    assert spec.data.reader.model_dump()["half"] == (reader.get("half", "left") if isinstance(reader, dict) else "left")
    assert load_spec(spec.to_dict(), host=host).to_dict() == spec.to_dict()


def test_a_reader_without_settings_may_be_named_too(host: Host, images: str) -> None:
    assert load_spec(spec_of(images, "tiff"), host=host).data.reader.uses == "tiff"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("reader", "said"),
    [
        ("tiff-hafl", 'Did you mean "tiff-half"'),
        ({"uses": "tiff-half", "half": "top"}, "left"),
        ({"uses": "tiff-half", "side": "left"}, "side"),
        ({"uses": "tiff", "half": "left"}, "half"),
    ],
)
def test_a_wrong_choice_is_refused_by_the_name_of_its_field(host: Host, images: str, reader: Any, said: str) -> None:
    with pytest.raises(SpecError, match=r"data\.reader") as caught:
        load_spec(spec_of(images, reader), host=host)
    assert said in str(caught.value)


def read_alone(host: Host, images: str, reader: Any, folder: Path) -> Artifact:
    """The first step of a run."""
    spec = load_spec(spec_of(images, reader), host=host)
    with opened_run(spec, folder, host=host, progress=False) as run:
        return run.read().artifact


def test_a_run_reads_as_its_spec_says(left: RunResult) -> None:
    assert shapes_of(left.folder) == {(96, 96)}


def test_what_readers_and_settings_make_of_the_same_files_is_kept_apart(
    host: Host, images: str, tmp_path: Path
) -> None:
    choices = {"all": None, "left": "tiff-half", "right": {"uses": "tiff-half", "half": "right"}}
    made = {name: read_alone(host, images, reader, tmp_path / name) for name, reader in choices.items()}
    assert len({artifact.key for artifact in made.values()}) == 3
    assert shapes_of(tmp_path / "all") == {(96, 192)}
    assert read_alone(host, images, {"uses": "tiff-half", "half": "left"}, tmp_path / "again").key == made["left"].key


def test_the_model_reads_its_next_micrographs_alike(host: Host, images: str, left: RunResult, tmp_path: Path) -> None:
    assert json.loads((left.model / "model.json").read_text())["reader"] == {"half": "left", "uses": "tiff-half"}
    result = segment(left.model, images, tmp_path / "segmented", host=host)
    assert {tuple(record["shape"]) for record in result.files} == {(96, 96)}


def test_a_model_whose_reader_is_not_installed_says_so(images: str, left: RunResult, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match='there is no reader "tiff-half"'):
        segment(left.model, images, tmp_path / "out", host=Host.from_modules([fakes, emgen_readers.plugin]))


def test_masks_are_read_whole_whatever_reads_the_micrographs(host: Host, tmp_path: Path) -> None:
    label_HW = np.zeros((20, 40), np.uint16)
    label_HW[5:9, 30:35] = 1
    tifffile.imwrite(tmp_path / "a_labels.tif", label_HW)
    chosen = host.reading_by("tiff-half", HalfConfig())
    assert read_labels(tmp_path / "a_labels.tif", chosen).shape == (20, 40)
    assert chosen.whole is host


def test_a_reader_whose_settings_are_no_settings_is_refused_at_registration() -> None:
    with pytest.raises(PluginError, match="StageConfig"):
        Host.from_modules([plugin_module(config=dict)])


def test_its_settings_are_shown(host: Host) -> None:
    with use_host(host):
        shown = CliRunner().invoke(main, ["plugins", "show", "tiff-half"])
    assert shown.exit_code == 0, shown.output
    assert "half: " in shown.output
    assert "config" not in shown.output

"""``emgen segment``: what it writes, what it refuses, what it goes on past. With a model that thresholds."""

from __future__ import annotations

import json
import subprocess
import sys
import weakref
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from click.testing import CliRunner
from PIL import Image
from scipy import ndimage as ndi

import emgen.model
import emgen_modalities.plugin
import emgen_readers.plugin
from emgen.api import segment
from emgen.cli import main
from emgen.data import Micrograph
from emgen.errors import ModelError, NoImagesError, OutputError
from emgen.host import Host, use_host
from emgen.model import Model, Segmentation
from emgen.segmenting import Settings, here, segment_files
from emgen.segmenting.progress import FILE


class Threshold(Model):
    """Stands in for a trained model: everything over half the range is a particle."""

    def __init__(self) -> None:
        super().__init__(
            task=None,
            info={"task": "threshold", "modality": "haadf-stem", "polarity": "bright", "working_diameter": 14.0},
        )

    def segment(self, image_HW, factors=None) -> Segmentation:
        label_HW = ndi.label(image_HW > 0.5)[0].astype(np.int32)
        return Segmentation(label_HW=label_HW, probability_HW=image_HW, factor=0.7)


@pytest.fixture
def host():
    with use_host(Host.from_modules([emgen_readers.plugin, emgen_modalities.plugin])) as host:
        yield host


@pytest.fixture
def command(host: Host, monkeypatch: pytest.MonkeyPatch):
    """Runs ``emgen segment MODEL …``; the model is the stand-in."""
    monkeypatch.setattr(emgen.model, "load_model", lambda ref, **settings: Threshold())
    monkeypatch.setattr(emgen.model, "read_info", lambda ref: Threshold().info)
    return lambda *words: CliRunner().invoke(main, ["segment", "model", *map(str, words)])


def discs(n: int, shape: tuple[int, int] = (60, 80)) -> np.ndarray:
    """uint16 image of n bright discs, 12 px wide, none at the edge."""
    ys, xs = np.mgrid[: shape[0], : shape[1]]
    image = np.random.default_rng(n).integers(0, 100, shape)
    for k in range(n):
        image[np.hypot(ys - 15 - 30 * (k // 3), xs - 15 - 25 * (k % 3)) < 6] += 2000
    return image.astype(np.uint16)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    tifffile.imwrite(folder / "a.tif", discs(3), imagej=True, resolution=(2, 2), metadata={"unit": "nm"})
    Image.fromarray((discs(5) // 10).astype(np.uint8)).save(folder / "b.png")
    return folder


def test_each_micrograph_gets_a_mask_and_labels_of_its_own_size(command, folder: Path, tmp_path: Path) -> None:
    result = command(folder, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    names = ["a_labels.tif", "a_mask.tif", "b_labels.tif", "b_mask.tif", "particles.csv", "particles.parquet"]
    names += [f"size_distribution.{suffix}" for suffix in ("csv", "json", "pdf", "png", "svg")] + ["summary.json"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
    mask, labels = (tifffile.imread(tmp_path / "out" / f"a_{kind}.tif") for kind in ("mask", "labels"))
    assert mask.shape == labels.shape == (60, 80)
    assert mask.dtype == np.uint8
    assert set(np.unique(mask)) == {0, 255}
    assert np.array_equal(mask > 0, labels > 0)
    assert labels.max() == 3
    assert "a: 3 particles" in result.output


def test_intensities_are_in_the_values_of_the_file(command, folder: Path, tmp_path: Path) -> None:
    command(folder, "--out", tmp_path / "out")
    table = pd.read_csv(tmp_path / "out" / "particles.csv")
    image_HW, label_HW = (tifffile.imread(path) for path in (folder / "a.tif", tmp_path / "out" / "a_labels.tif"))
    bright = table[table["image"] == "a"]["mean_intensity"]
    assert np.allclose(bright, [image_HW[label_HW == label].mean() for label in range(1, len(bright) + 1)])
    assert (bright > 1).all()


def test_the_table_and_the_summary_say_the_same(command, folder: Path, tmp_path: Path) -> None:
    command(folder, "--out", tmp_path / "out")
    table = pd.read_csv(tmp_path / "out" / "particles.csv")
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert table.groupby("image").size().to_dict() == {"a": 3, "b": 5}
    a, b = summary["files"]
    assert (a["particles"], b["particles"], summary["total"]["particles"]) == (3, 5, 8)
    assert a["scale_factor"] == 0.7
    assert a["pixel_size_nm"] == 0.5
    assert b["pixel_size_nm"] is None
    assert a["diameter_px"]["median"] == pytest.approx(12, rel=0.1)
    assert a["diameter_nm"]["median"] == pytest.approx(a["diameter_px"]["median"] / 2, abs=0.01)
    assert table.equivalent_diameter_nm.isna().sum() == 5
    assert summary["notes"] == ["mixed bit depths: uint16, uint8"]
    assert summary["failed"] == []
    assert summary["model"]["task"] == "threshold"


def test_a_pixel_size_given_goes_over_the_files(command, folder: Path, tmp_path: Path) -> None:
    command(folder, "--out", tmp_path / "out", "--pixel-size", 3)
    files = json.loads((tmp_path / "out" / "summary.json").read_text())["files"]
    assert [record["pixel_size_nm"] for record in files] == [3, 3]


def test_bad_files_are_listed_with_reasons_and_the_others_are_done(command, folder: Path, tmp_path: Path) -> None:
    tifffile.imwrite(folder / "flat.tif", np.ones((9, 9), np.uint8))
    tifffile.imwrite(folder / "nan.tif", np.full((9, 9), np.nan, np.float32))
    (folder / "cut.tif").write_bytes((folder / "a.tif").read_bytes()[:900])
    (folder / "empty.tif").touch()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (9, 9, 3)).astype(np.uint8)).save(folder / "colour.png")
    result = command(folder, folder / "missing.tif", "--out", tmp_path / "out")
    assert result.exit_code == 1
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    reasons = {Path(failure["input"]).name: failure["reason"] for failure in summary["failed"]}
    assert set(reasons) == {"flat.tif", "nan.tif", "cut.tif", "empty.tif", "colour.png", "missing.tif"}
    assert "constant" in reasons["flat.tif"]
    assert "NaN" in reasons["nan.tif"]
    assert "in colour" in reasons["colour.png"]
    assert "no such file" in reasons["missing.tif"]
    assert [record["name"] for record in summary["files"]] == ["a", "b"]
    assert len(pd.read_csv(tmp_path / "out" / "particles.csv")) == 8


def test_a_stack_is_segmented_frame_by_frame(command, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "series.tif", np.stack([discs(1), discs(2)]))
    assert command(tmp_path / "series.tif", "--out", tmp_path / "out").exit_code == 0
    files = json.loads((tmp_path / "out" / "summary.json").read_text())["files"]
    assert [(f["name"], f["frame"], f["particles"]) for f in files] == [("series_0000", 0, 1), ("series_0001", 1, 2)]
    assert (tmp_path / "out" / "series_0001_mask.tif").exists()


def test_micrographs_without_particles_are_a_result(host: Host, folder: Path, tmp_path: Path) -> None:
    class Blind(Threshold):
        def segment(self, image_HW, factors=None) -> Segmentation:
            return Segmentation(label_HW=np.zeros(image_HW.shape, np.int32), probability_HW=0 * image_HW, factor=1.0)

    result = segment(Blind(), folder, tmp_path / "out")
    assert [record["particles"] for record in result.files] == [0, 0]
    assert tifffile.imread(tmp_path / "out" / "a_mask.tif").max() == 0
    table = pd.read_csv(tmp_path / "out" / "particles.csv")
    assert len(table) == 0
    assert list(table)[:2] == ["image", "label"]


def test_two_inputs_of_one_name_are_refused_before_work(command, folder: Path, tmp_path: Path) -> None:
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(folder / "a.png")
    result = command(folder, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "a.png" in result.output
    assert "a.tif" in result.output
    assert not (tmp_path / "out").exists()


def test_a_result_never_replaces_an_input(command, folder: Path) -> None:
    tifffile.imwrite(folder / "a_mask.tif", discs(2))
    before = (folder / "a_mask.tif").read_bytes()
    result = command(folder, "--out", folder)
    assert result.exit_code == 2
    assert "over the input" in result.output
    assert (folder / "a_mask.tif").read_bytes() == before


def test_globs_are_taken_and_a_file_named_twice_is_done_once(command, folder: Path, tmp_path: Path) -> None:
    result = command(folder / "*.tif", folder / "a.tif", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert len(json.loads((tmp_path / "out" / "summary.json").read_text())["files"]) == 1


def test_nothing_to_segment_is_a_wrong_call(command, tmp_path: Path) -> None:
    result = command(tmp_path / "missing.tif", "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "no such file" in result.output


def test_a_folder_that_cannot_be_written_is_found_before_work(command, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = command(folder, "--out", tmp_path / "file" / "out")
    assert result.exit_code == 2
    assert "cannot be written" in result.output


def test_a_missing_model_is_named(host: Host, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"nowhere.*pretrained"):
        segment(tmp_path / "nowhere", folder, tmp_path / "out")


def test_what_was_finished_stays_when_the_disk_is_full(host, folder: Path, tmp_path: Path, monkeypatch) -> None:
    def full_for_b(folder: Path, stem: str, *rest) -> Path:
        if stem == "b":
            raise OutputError("no space left")
        return folder / f"{stem}_mask.tif"

    monkeypatch.setattr("emgen.segmenting.bench.write_mask", full_for_b)
    with pytest.raises(OutputError, match="no space left"):
        segment(Threshold(), folder, tmp_path / "out")
    assert [f["name"] for f in json.loads((tmp_path / "out" / "summary.json").read_text())["files"]] == ["a"]


def test_from_python_a_loaded_model_and_one_path_will_do(host: Host, folder: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    result = segment(Threshold(), folder / "a.tif", tmp_path / "out", tell=lines.append)
    assert len(result.particles) == 3
    assert result.failed == []
    assert len(lines) == 1
    with pytest.raises(NoImagesError):
        segment(Threshold(), [], tmp_path / "out")


def test_the_python_api_is_imported_without_torch() -> None:
    code = "import sys, emgen.api; assert not {'torch', 'zarr', 'pandas', 'scipy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_further_formats_are_written_when_asked_for_and_listed(command, folder: Path, tmp_path: Path) -> None:
    result = command(
        folder, "--out", tmp_path / "out", "--write", "rois,overlay", "--write", "coco", "--write", "ome-zarr"
    )
    assert result.exit_code == 0, result.output
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert [record["written"] for record in summary["files"]] == [
        ["a_rois.zip", "a_overlay.png", "a.ome.zarr"],
        ["b_rois.zip", "b_overlay.png", "b.ome.zarr"],
    ]
    assert {"particles.csv", "particles.parquet", "size_distribution.json", "coco.json"} <= set(summary["written"])
    for name in [*summary["written"], *(name for record in summary["files"] for name in record["written"])]:
        assert (tmp_path / "out" / name).exists()
    coco = json.loads((tmp_path / "out" / "coco.json").read_text())
    assert [image["file_name"] for image in coco["images"]] == ["../images/a.tif", "../images/b.png"]
    assert len(coco["annotations"]) == 8


def test_an_unknown_format_is_refused_before_any_work(command, folder: Path, tmp_path: Path) -> None:
    result = command(folder, "--out", tmp_path / "out", "--write", "roi")
    assert result.exit_code == 2
    assert 'Did you mean "rois"?' in result.output
    assert not (tmp_path / "out").exists()


def test_a_place_of_stacks_without_stacks_is_a_wrong_call(command, folder: Path, tmp_path: Path) -> None:
    result = command(folder, "--out", tmp_path / "out", "--labels-to", "s3://bucket")
    assert result.exit_code == 2
    assert "--write zarr" in result.output


def test_no_further_format_replaces_an_input(command, folder: Path) -> None:
    Image.fromarray((discs(2) // 10).astype(np.uint8)).save(folder / "a_overlay.png")
    before = (folder / "a_overlay.png").read_bytes()
    result = command(folder, "--out", folder, "--write", "overlay")
    assert result.exit_code == 2
    assert "over the input" in result.output
    assert (folder / "a_overlay.png").read_bytes() == before


def test_a_name_that_leads_elsewhere_fails_its_file_alone(
    command, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = lambda path, index, count: "../b" if path.stem == "b" else path.stem
    monkeypatch.setattr("emgen.segmenting.jobs.frame_name", named)
    result = command(folder, "--out", tmp_path / "out", "--write", "rois,coco")
    assert result.exit_code == 1
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert [record["name"] for record in summary["files"]] == ["a"]
    assert "'../b' cannot name a result" in summary["failed"][0]["reason"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images", "out"]


def test_what_was_segmented_before_a_failure_is_in_every_format(host: Host, folder: Path, tmp_path: Path) -> None:
    class FailsAtSecond(Threshold):
        calls = 0

        def segment(self, image_HW, factors=None) -> Segmentation:
            self.calls += 1
            if self.calls == 2:
                raise RuntimeError("out of memory")
            return super().segment(image_HW)

    with pytest.raises(RuntimeError, match="out of memory"):
        segment(FailsAtSecond(), folder, tmp_path / "out", write=["coco"])
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert [record["name"] for record in summary["files"]] == ["a"]
    assert len(pd.read_csv(tmp_path / "out" / "particles.csv")) == 3
    assert len(json.loads((tmp_path / "out" / "coco.json").read_text())["annotations"]) == 3


class Stopped(Threshold):
    """Keeps count, and is killed over the micrograph of that number."""

    def __init__(self, at: int = 0) -> None:
        super().__init__()
        self.at, self.calls = at, 0

    def segment(self, image_HW, factors=None) -> Segmentation:
        self.calls += 1
        if self.calls == self.at:
            raise KeyboardInterrupt
        return super().segment(image_HW)


@pytest.fixture
def calls(host: Host, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Segments three files with a model from a folder; how often it was asked, and the lines."""
    Image.fromarray((discs(4) // 10).astype(np.uint8)).save(folder / "c.png")
    weights = tmp_path / "model"
    weights.mkdir()
    (weights / "model.json").write_text("{}")
    (weights / "weights.safetensors").write_bytes(b"first")
    monkeypatch.setattr(emgen.model, "read_info", lambda ref: Threshold().info)

    def call(at: int = 0, out: str = "out", **settings) -> tuple[int, list[str]]:
        model, lines = Stopped(at), []
        monkeypatch.setattr(emgen.model, "load_model", lambda ref, **how: model)
        try:
            segment(weights, folder, tmp_path / out, tell=lines.append, **settings)
        except KeyboardInterrupt:
            lines.append("stopped")
        return model.calls, lines

    return call


def test_workers_are_let_go_before_their_team_ends(host: Host, folder: Path, tmp_path: Path) -> None:
    """Dask's client cannot cancel anything once its loop is closed."""
    steps: list[str] = []
    at_once = here(lambda: Stopped(at=2), host)

    @contextmanager
    def begin(settings):
        with at_once(settings) as team:

            def work(jobs):
                try:
                    yield from team.segment(jobs)
                finally:
                    steps.append("left")

            try:
                yield replace(team, segment=work)
            finally:
                steps.append("ended")

    settings = Settings(out=tmp_path / "out", base=tmp_path)
    with pytest.raises(KeyboardInterrupt):
        segment_files(begin, [folder], settings, host)
    assert steps == ["left", "ended"]


RESULTS = ("particles.csv", "summary.json", "size_distribution.json")


@pytest.mark.parametrize("write", [[], ["rois"], ["zarr"]])
def test_a_call_that_was_stopped_goes_on_and_gives_the_same(calls, tmp_path: Path, write: list[str]) -> None:
    assert calls(at=3, write=write)[1][-1] == "stopped"
    again, lines = calls(write=write)
    assert again == 1
    assert lines[0].startswith("2 of 3 micrographs were done")
    assert len(lines) == 2
    calls(out="at once", write=write)
    for name in RESULTS:
        assert (tmp_path / "out" / name).read_text() == (tmp_path / "at once" / name).read_text(), name
    assert not (tmp_path / "out" / FILE).exists()
    assert calls(write=write)[0] == 3, "when all is done, the next call begins anew"


def test_what_has_changed_since_is_done_again(calls, folder: Path, tmp_path: Path) -> None:
    calls(at=3)
    Image.fromarray((discs(2) // 10).astype(np.uint8)).save(folder / "b.png")
    assert calls(at=3)[0] == 2, "another content of b"
    (tmp_path / "out" / "a_labels.tif").unlink()
    assert calls(at=2)[0] == 2, "labels of a are gone"
    (tmp_path / "model" / "weights.safetensors").write_bytes(b"second")
    assert calls(at=2)[0] == 2, "another model"
    assert calls(pixel_size_nm=2.0)[0] == 3, "another pixel size"


def test_a_line_that_was_cut_and_a_file_that_failed_are_done_again(calls, folder: Path, tmp_path: Path) -> None:
    calls(at=3)
    kept = tmp_path / "out" / FILE
    kept.write_bytes(kept.read_bytes()[:-9])
    (folder / "c.png").write_bytes(b"no picture")
    assert calls()[0] == 1
    assert kept.exists(), "one has failed: the next call has only that to do"
    Image.fromarray((discs(4) // 10).astype(np.uint8)).save(folder / "c.png")
    assert calls()[0] == 1
    assert not kept.exists()
    assert len(pd.read_csv(tmp_path / "out" / "particles.csv")) == 3 + 5 + 4


def test_what_follows_a_garbled_line_is_done_again(calls, tmp_path: Path) -> None:
    calls(at=3)
    kept = tmp_path / "out" / FILE
    head, a, b = kept.read_bytes().splitlines(keepends=True)
    kept.write_bytes(head + a + b"[1, 2]\n" + b)
    assert calls(at=2)[0] == 2
    assert len(kept.read_bytes().splitlines()) == 3
    assert calls()[0] == 1
    assert len(pd.read_csv(tmp_path / "out" / "particles.csv")) == 3 + 5 + 4


def test_what_gathers_all_micrographs_begins_anew(calls, tmp_path: Path) -> None:
    calls(at=3, write=["coco"])
    assert calls(write=["coco"])[0] == 3
    assert len(json.loads((tmp_path / "out" / "coco.json").read_text())["images"]) == 3


class Movie(Sequence[Micrograph]):
    """80 frames that are made when they are asked for; knows how many are alive."""

    def __init__(self) -> None:
        self.alive, self.most = 0, 0

    def __len__(self) -> int:
        return 80

    def __getitem__(self, index):
        image = discs(1 + index % 4, (30, 80))
        self.alive += 1
        self.most = max(self.most, self.alive)
        weakref.finalize(image, self._gone)
        return Micrograph(image)

    def _gone(self) -> None:
        self.alive -= 1


def test_a_movie_is_held_in_memory_a_frame_at_a_time(
    host: Host, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    movie = Movie()
    for module in ("jobs", "bench"):
        monkeypatch.setattr(f"emgen.segmenting.{module}.open_file", lambda path, host: movie)
    monkeypatch.setattr("emgen.segmenting.result._JOINED_FROM", 16)
    result = segment(Threshold(), folder / "a.tif", tmp_path / "out", write=["coco"])
    assert len(result.files) == 80
    assert movie.most <= 2
    assert len(result.tables) < 16
    assert len(result.particles) == len(pd.read_csv(tmp_path / "out" / "particles.csv")) == 20 * (1 + 2 + 3 + 3)
    coco = json.loads((tmp_path / "out" / "coco.json").read_text())
    assert (len(coco["images"]), len(coco["annotations"])) == (80, len(result.particles))

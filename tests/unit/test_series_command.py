"""``emgen track``: what it takes, what it writes, what it refuses."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import weakref
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from click.testing import CliRunner
from PIL import Image

import emgen_modalities.plugin
import emgen_readers.plugin
from emgen.api import segment, track
from emgen.cli import main
from emgen.errors import BadImageError, DataError, EmgenError, NoImagesError, NoParticlesError, OutputError, SpecError
from emgen.host import Host, use_host
from emgen.model import Model, Segmentation
from emgen.series.following import _look
from emgen.series.over_time import count_interval, mean_interval
from emgen.series.read import FrameReader
from emgen.testing.phantoms.series import phantom_series, write_series

FRAMES = 12


@pytest.fixture(autouse=True)
def host():
    with use_host(Host.from_modules([emgen_readers.plugin, emgen_modalities.plugin])) as host:
        yield host


@pytest.fixture(scope="module")
def series():
    return phantom_series(
        seed=12, shape_HW=(160, 200), particles=24, frames=FRAMES, diameter=13.0, coalescences=8, births=2, drift=4.0
    )


@pytest.fixture(scope="module")
def written(series, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images and labels of the series, beside each other."""
    folder = tmp_path_factory.mktemp("series")
    write_series(folder, series)
    return folder


def call(*words: object):
    return CliRunner().invoke(main, ["track", *map(str, words)])


def labels_of(folder: Path) -> list[Path]:
    return sorted(folder.glob("*_labels.tif"))


def images_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.tif") if "labels" not in path.stem)


@pytest.fixture(scope="module")
def result(written: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a call with everything."""
    out = tmp_path_factory.mktemp("result")
    with use_host(Host.from_modules([emgen_readers.plugin, emgen_modalities.plugin])):
        words = ["--pixel-size", 0.5, "--frame-time", 30, "--images", written / "series_00??.tif"]
        done = call(written / "*_labels.tif", "--out", out, *words)
    assert done.exit_code == 0, done.output
    (out / "output.txt").write_text(done.output)
    return out


def test_tables_summary_and_figures_are_written(result: Path) -> None:
    names = {path.name for path in result.iterdir()} - {"output.txt"}
    tables = {"tracks.csv", "tracks.parquet", "series.csv", "events.csv", "summary.json"}
    assert names == tables | {"series.png", "series.svg", "tracks.png"}
    for picture in result.glob("*.png"):
        with Image.open(picture) as opened:
            assert min(opened.size) > 1000
    assert "coalescence events" in (result / "output.txt").read_text()
    assert "frames: done in" in (result / "output.txt").read_text()


def test_the_table_of_tracks_has_a_row_a_particle_and_frame_with_units(result: Path, series) -> None:
    table, again = pd.read_csv(result / "tracks.csv"), pd.read_parquet(result / "tracks.parquet")
    assert len(table) == len(again) == sum(len(frame.id_K) for frame in series)
    assert list(table)[:5] == ["track", "frame", "time_s", "image", "label"]
    assert set(table["time_s"]) == {30.0 * frame for frame in range(FRAMES)}
    assert table["equivalent_diameter_nm"].to_numpy() == pytest.approx(table["equivalent_diameter_px"] / 2, rel=1e-4)
    assert table["position_y_nm"].to_numpy() == pytest.approx(table["position_y_px"] / 2, rel=1e-4, abs=1e-4)
    assert {"mean_intensity", "contrast"} <= set(table)
    assert not table.duplicated(["track", "frame"]).any()


def test_positions_are_those_of_the_image_less_the_drift(result: Path, series) -> None:
    table = pd.read_csv(result / "tracks.csv")
    drift = pd.read_csv(result / "series.csv")[["drift_y_px", "drift_x_px"]].to_numpy()
    found = table[["centroid_y_px", "centroid_x_px"]].to_numpy() - drift[table["frame"]]
    np.testing.assert_allclose(table[["position_y_px", "position_x_px"]], found, atol=0.01)
    np.testing.assert_allclose(drift, series.shift_N2, atol=1.0)


def test_the_series_has_a_row_a_frame_with_intervals(result: Path, series) -> None:
    table = pd.read_csv(result / "series.csv")
    assert table["frame"].tolist() == list(range(FRAMES))
    assert table["particles"].tolist() == [len(frame.id_K) for frame in series]
    for stem in ("particles", "particles_in_common_field"):
        assert (table[f"{stem}_low"] < table[stem]).all()
        assert (table[stem] < table[f"{stem}_high"]).all()
    assert (table["mean_diameter_low_nm"] < table["mean_diameter_nm"]).all()
    assert (table["mean_diameter_nm"] < table["mean_diameter_high_nm"]).all()
    whole = pd.read_csv(result / "tracks.csv").query("not border").groupby("frame")["equivalent_diameter_px"].mean()
    assert table["mean_diameter_px"].to_numpy() == pytest.approx(whole.to_numpy(), rel=1e-4)


def test_events_name_the_tracks_that_coalesced_and_what_they_became(result: Path) -> None:
    events, tracks = pd.read_csv(result / "events.csv"), pd.read_csv(result / "tracks.csv")
    coalescences = events[events["kind"] == "coalescence"]
    assert len(coalescences) >= 2
    last, first = tracks.groupby("track")["frame"].max(), tracks.groupby("track")["frame"].min()
    for event in coalescences.itertuples():
        assert max(last[int(parent)] for parent in event.parents.split()) < event.frame
        assert first[event.child] == event.frame
        assert event.time_s == 30 * event.frame
        assert 0.6 < event.area_after_px / event.area_before_px < 1.1
    counted = pd.read_csv(result / "series.csv")["coalescences"].sum()
    assert counted == len(coalescences) == json.loads((result / "summary.json").read_text())["events"]["coalescence"]


def test_the_summary_says_what_was_chosen_and_from_what(result: Path) -> None:
    summary = json.loads((result / "summary.json").read_text())
    assert (summary["frames"], summary["pixel_size_nm"], summary["frame_time_s"]) == (FRAMES, 0.5, 30)
    assert summary["micrographs"] == FRAMES
    search = summary["search"]
    assert (search["range_from"], search["memory_from"]) == ("chosen from the data",) * 2
    assert search["range_px"] == pytest.approx(search["median_diameter_px"] / 2, rel=0.2)
    assert summary["drift"]["frames_by"] == {"particles": FRAMES - 1, "images": 0, "nothing": 0}


def test_what_is_given_is_kept_and_said(written: Path, tmp_path: Path) -> None:
    words = ["--search-range", 5, "--memory", 3, "--drift", "images", "--images", written / "series_00??.tif"]
    assert call(written / "*_labels.tif", "--out", tmp_path, *words).exit_code == 0
    summary = json.loads((tmp_path / "summary.json").read_text())
    search = summary["search"]
    assert (search["range_px"], search["range_from"], search["memory_frames"]) == (5, "given", 3)
    assert summary["drift"]["frames_by"]["images"] == FRAMES - 1
    assert summary["pixel_size_nm"] is None
    assert not [name for name in pd.read_csv(tmp_path / "tracks.csv") if name.endswith(("_nm", "_nm2", "_s"))]


def test_without_correction_the_drift_stays_in_the_positions(written: Path, tmp_path: Path) -> None:
    followed = track(labels_of(written), tmp_path, drift="none")
    assert followed.series[["drift_y_px", "drift_x_px"]].abs().to_numpy().max() == 0


def test_the_same_series_gives_the_same_files(written: Path, tmp_path: Path) -> None:
    for name in ("first", "second"):
        track(labels_of(written), tmp_path / name)
    for file in ("tracks.csv", "series.csv", "events.csv", "summary.json", "series.svg", "series.png", "tracks.png"):
        assert (tmp_path / "first" / file).read_bytes() == (tmp_path / "second" / file).read_bytes(), file


def test_one_file_may_hold_all_frames_and_drift_is_told_without_images(series, written: Path, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "run_labels.tif", np.stack([frame.label_HW for frame in series]).astype(np.uint16))
    together = track(tmp_path / "run_labels.tif", tmp_path / "out")
    apart = track(labels_of(written), tmp_path / "apart")
    assert together.tracks["image"].iloc[0].startswith("run_")
    same = ["track", "frame", "label", "position_y_px", "position_x_px"]
    pd.testing.assert_frame_equal(together.tracks[same], apart.tracks[same])


def test_binary_masks_are_taken_apart_into_particles(series, tmp_path: Path) -> None:
    for index, frame in enumerate(series):
        tifffile.imwrite(tmp_path / f"m_{index}_mask.tif", np.where(frame.label_HW > 0, 255, 0).astype(np.uint8))
    followed = track(tmp_path, tmp_path / "out")
    assert followed.tracks["image"].unique().tolist() == [f"m_{index}" for index in range(FRAMES)]
    assert len(followed.tracks) == pytest.approx(sum(len(frame.id_K) for frame in series), rel=0.1)


def test_labels_of_8_bit_are_taken_once_they_are_called_labels(series, tmp_path: Path) -> None:
    """As Fiji writes few particles; they could be grey pictures as well, so nobody guesses."""
    for index in range(3):
        tifffile.imwrite(tmp_path / f"f{index}.tif", series.labels(index)[0].astype(np.uint8))
    done = call(tmp_path, "--out", tmp_path / "out")
    assert done.exit_code == 2
    assert "f0.tif" in done.output
    assert "--as labels" in done.output
    assert call(tmp_path, "--out", tmp_path / "out", "--as", "labels").exit_code == 0
    assert len(pd.read_csv(tmp_path / "out" / "tracks.csv")) == sum(len(series.labels(index)[1]) for index in range(3))


def test_frames_are_in_natural_order(written: Path, tmp_path: Path) -> None:
    for index, path in enumerate(labels_of(written)):
        shutil.copy(path, tmp_path / f"f{index + 1}_labels.tif")
    followed = track(sorted(map(str, tmp_path.glob("*.tif"))), tmp_path / "out")
    assert followed.series["image"].tolist() == [f"f{index + 1}" for index in range(FRAMES)]


class Threshold(Model):
    """Stands in for a trained model."""

    def __init__(self) -> None:
        info = {"task": "threshold", "modality": "haadf-stem", "polarity": "bright", "working_diameter": 14.0}
        super().__init__(task=None, info=info)

    def segment(self, image_HW, factors=None) -> Segmentation:
        from scipy import ndimage as ndi

        label_HW = ndi.label(ndi.gaussian_filter(image_HW, 2) > 0.62)[0].astype(np.int32)
        return Segmentation(label_HW=label_HW, probability_HW=image_HW, factor=1.0)


def test_the_folder_of_emgen_segment_brings_labels_images_and_pixel_size(written: Path, tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for path in images_of(written):
        shutil.copy(path, images)
    segment(Threshold(), images, tmp_path / "segmented", pixel_size_nm=0.25)
    followed = track(tmp_path / "segmented", tmp_path / "out")
    assert followed.summary["pixel_size_nm"] == 0.25
    assert followed.summary["micrographs"] == FRAMES
    assert "mean_intensity" in followed.tracks
    shutil.rmtree(images)
    alone = track(tmp_path / "segmented", tmp_path / "alone")
    assert alone.summary["micrographs"] == 0
    assert "no longer where emgen segment read them" in alone.summary["notes"][0]


def test_a_frame_without_particles_is_a_row_with_none(written: Path, tmp_path: Path) -> None:
    for path in labels_of(written):
        shutil.copy(path, tmp_path)
    blank = labels_of(tmp_path)[4]
    tifffile.imwrite(blank, np.zeros((160, 200), np.uint16))
    followed = track(labels_of(tmp_path), tmp_path / "out", memory=1)
    row = followed.series.iloc[4]
    assert row["particles"] == 0
    assert row["missed"] > 10
    assert np.isnan(row["mean_diameter_px"])
    assert "drift could not be measured for 1 frames" in followed.summary["notes"][0]
    whole = track(labels_of(written), tmp_path / "whole", memory=1)
    for kind in ("coalescence", "appearance", "disappearance"):
        assert followed.summary["events"][kind] == whole.summary["events"][kind]


def test_only_one_frame_at_a_time_is_in_memory(written: Path, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    from emgen.series.following import Settings, Silent, find_frames

    alive: list[weakref.ref] = []
    most = 0
    read = FrameReader.read

    def watched(self: FrameReader, frame):
        nonlocal most
        found = read(self, frame)
        alive.append(weakref.ref(found.label_HW))
        most = max(most, sum(one() is not None for one in alive))
        return found

    monkeypatch.setattr(FrameReader, "read", watched)
    _look(find_frames([written / "*_labels.tif"], [], host), FrameReader(host), Settings(), Silent())
    assert len(alive) == FRAMES
    assert most <= 3  # this one, the one before, and the one that tables were made of


def refused(kind: type[EmgenError], *parts: str, labels, out: Path, **settings) -> None:
    with pytest.raises(kind) as error:
        track(labels, out, **settings)
    for part in parts:
        assert part in str(error.value)


def test_a_frame_of_another_size_is_named(written: Path, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "z_labels.tif", np.ones((50, 60), np.uint16))
    labels = [*labels_of(written), tmp_path / "z_labels.tif"]
    refused(BadImageError, "z_labels.tif is 60 x 50 px", "200 x 160 px", labels=labels, out=tmp_path / "out")


def test_one_frame_is_no_series(written: Path, tmp_path: Path) -> None:
    one = labels_of(written)[0]
    refused(NoImagesError, one.name, "1 frame", "at least 2", labels=one, out=tmp_path / "out")


def test_a_series_without_any_particle_is_refused(tmp_path: Path) -> None:
    for index in range(3):
        tifffile.imwrite(tmp_path / f"e_{index}_labels.tif", np.zeros((20, 30), np.uint16))
    refused(NoParticlesError, "e_0_labels.tif", "no particle", labels=tmp_path, out=tmp_path / "out")


def test_a_frame_named_twice_or_of_the_same_name_is_refused(written: Path, tmp_path: Path) -> None:
    first, second = labels_of(written)[:2]
    refused(DataError, first.name, "named twice", labels=[first, second, first], out=tmp_path / "out")
    shutil.copy(second, tmp_path / first.name)
    labels = [first, second, tmp_path / first.name]
    refused(DataError, str(tmp_path / first.name), 'both the frame "series_0000"', labels=labels, out=tmp_path / "out")


def test_images_that_do_not_fit_in_number_or_size_are_refused(written: Path, tmp_path: Path) -> None:
    labels, images = labels_of(written), images_of(written)
    others = []
    for index, path in enumerate(images):
        others.append(tmp_path / f"other_{index}.tif")
        shutil.copy(path, others[-1])
    settings = {"labels": labels, "out": tmp_path / "out"}
    refused(BadImageError, "11 micrographs", "12 label images", images=others[:-1], **settings)
    tifffile.imwrite(others[3], np.random.default_rng(0).integers(0, 255, (9, 9)).astype(np.uint8))
    refused(BadImageError, "series_0003_labels.tif", "other_3.tif is 9 x 9 px", images=others, **settings)


def test_pixel_sizes_that_differ_are_refused_and_one_that_is_given_goes_over_them(
    written: Path, tmp_path: Path
) -> None:
    for index, path in enumerate(labels_of(written)[:3]):
        size = {"resolution": (1e7 / (1 + index // 2),) * 2, "resolutionunit": "CENTIMETER", "metadata": None}
        tifffile.imwrite(tmp_path / path.name, tifffile.imread(path), **size)
    settings = {"labels": labels_of(tmp_path), "out": tmp_path / "out"}
    refused(BadImageError, "series_0002_labels.tif: pixel size 2 nm", "1 nm", "--pixel-size", **settings)
    assert track(**settings, pixel_size_nm=1.5).summary["pixel_size_nm"] == 1.5


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("pixel_size_nm", 0.0),
        ("frame_time_s", -1.0),
        ("search_range_px", float("nan")),
        ("memory", -1),
        ("drift", "up"),
    ],
)
def test_settings_out_of_range_are_named(written: Path, tmp_path: Path, name: str, value) -> None:
    refused(SpecError, name, labels=labels_of(written), out=tmp_path / "out", **{name: value})


def test_a_pixel_size_of_zero_is_a_wrong_call(written: Path, tmp_path: Path) -> None:
    done = call(written / "*_labels.tif", "--out", tmp_path / "out", "--pixel-size", 0)
    assert done.exit_code == 2
    assert "--pixel-size" in done.output
    assert not (tmp_path / "out").exists()


def test_a_damaged_file_and_a_folder_that_cannot_be_written_are_named(written: Path, tmp_path: Path) -> None:
    labels = [*labels_of(written)[:2], tmp_path / "z_labels.tif"]
    labels[-1].write_bytes(labels[0].read_bytes()[:300])
    refused(DataError, "z_labels.tif", labels=labels, out=tmp_path / "out")
    (tmp_path / "file").touch()
    refused(OutputError, "cannot be written", labels=labels[:2], out=tmp_path / "file" / "out")


def test_frames_left_out_are_noted(written: Path, tmp_path: Path) -> None:
    labels = labels_of(written)
    assert "jump from 2 to 4" in track([*labels[:3], *labels[4:]], tmp_path / "a").summary["notes"][0]
    assert track(labels[::2], tmp_path / "b").summary["notes"] == []


def test_intervals_are_those_of_the_textbook() -> None:
    low, high = count_interval(np.array([0, 10]))
    assert (low[0], high[0], low[1], high[1]) == pytest.approx((0, 3.689, 4.795, 18.390), abs=1e-3)
    values = np.random.default_rng(0).normal(20, 4, 100)
    low, high = mean_interval(values, np.random.default_rng(1))
    half = 1.96 * values.std() / 10
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.1)
    assert np.isnan(mean_interval(values[:1], np.random.default_rng(1))).all()


def test_the_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from click.testing import CliRunner; from emgen.cli import main; "
        "assert CliRunner().invoke(main, ['track', '--help']).exit_code == 0; "
        "assert not {'torch', 'pandas', 'scipy', 'skimage', 'trackpy', 'matplotlib', 'tifffile'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

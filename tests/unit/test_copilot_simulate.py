"""The simulated microscope: its frames, its truth, its pace, its faults."""

from __future__ import annotations

import csv
import os
import threading
import time
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import tifffile

from emgen.copilot.simulator import FAULTS, Simulation, frames, owed, simulate, simulation
from emgen.copilot.simulator.scene import specimen
from emgen.data.micrograph import Micrograph
from emgen.errors import EmgenError, OutputError, SpecError
from emgen.particles import equivalent_diameters
from emgen_readers.mrc import MrcReader
from emgen_readers.tiff import TiffReader

SMALL = {"size_px": 64, "particles": 5, "diameter_px": 12.0}
QUICK = {**SMALL, "interval_s": 0.0, "write_s": 0.0, "low_priority": False}


def rows(table: Path) -> list[dict[str, str]]:
    with table.open(newline="") as file:
        return list(csv.DictReader(file))


def run(folder: Path, **settings) -> Path:
    """A run in ``<folder>/frames``; the folder of its truth."""
    simulate(folder / "frames", Simulation(**{**QUICK, **settings}))
    return folder / "frames-truth"


def test_the_same_settings_give_the_same_frames_and_another_seed_others() -> None:
    first, again, other = (list(frames(Simulation(seed=seed, frames=3, **SMALL))) for seed in (4, 4, 5))
    np.testing.assert_array_equal(first[2].image_HW, again[2].image_HW)
    np.testing.assert_array_equal(first[2].label_HW, again[2].label_HW)
    assert not np.array_equal(first[2].label_HW, other[2].label_HW)


def test_more_frames_begin_with_the_same_ones() -> None:
    short, endless = (list(islice(frames(Simulation(frames=n, **SMALL)), 30)) for n in (30, None))
    np.testing.assert_array_equal(short[29].image_HW, endless[29].image_HW)


def test_facts_are_those_of_the_labels_and_means_leave_out_what_the_edge_cuts() -> None:
    frame = next(frames(Simulation(size_px=(96, 128), particles=14, diameter_px=14)))
    label_HW, facts = frame.label_HW, frame.facts
    assert frame.image_HW.shape == label_HW.shape == (96, 128)
    np.testing.assert_array_equal(facts.diameter_K, equivalent_diameters(label_HW))
    assert facts.particles == label_HW.max()
    assert facts.coverage == pytest.approx(np.mean(label_HW > 0))
    edge = {*label_HW[0], *label_HW[-1], *label_HW[:, 0], *label_HW[:, -1]} - {0}
    assert set(np.flatnonzero(facts.border_K) + 1) == edge
    assert facts.mean_diameter == pytest.approx(facts.diameter_K[~facts.border_K].mean())


def test_particles_stand_out_bright_in_dark_field_and_dark_in_bright_field_of_the_same_specimen() -> None:
    before, after = islice(frames(Simulation(**SMALL, drift=0, wander=0, change_at=2, change_modality="bf-tem")), 2)
    assert [before.facts.modality, after.facts.modality] == ["haadf-stem", "bf-tem"]
    overlap = np.mean((before.label_HW > 0) == (after.label_HW > 0))
    assert overlap > 0.97
    contrast = [f.image_HW[f.label_HW > 0].mean() - f.image_HW[f.label_HW == 0].mean() for f in (before, after)]
    assert contrast[0] > 500
    assert contrast[1] < -500


def test_another_look_of_the_same_modality_changes_what_is_named_and_no_more() -> None:
    settings = Simulation(**SMALL, change_at=2, change_look={"dose": 900.0})
    first, second = settings.look_of(0), settings.look_of(1)
    assert second.dose == 900
    assert second.contrast == first.contrast
    images = [frame.image_HW for frame in islice(frames(settings), 2)]
    assert max(image.max() for image in images) < 65_535
    assert np.median(images[1]) > 3 * np.median(images[0])


def test_focus_and_dose_change_over_the_frames_as_far_as_they_may() -> None:
    settings = Simulation(**SMALL, defocus=0.5, defocus_most=4.0, dose=200.0, dose_ramp=0.9)
    run = list(islice(frames(settings), 40))
    assert [frame.facts.defocus for frame in run[:3]] == [0, 0.5, 1.0]
    assert run[39].facts.defocus == 4.0
    assert run[2].facts.dose == pytest.approx(200 * 0.81)
    assert run[39].facts.dose == pytest.approx(10)
    slope = [np.abs(np.diff(frame.image_HW.astype(float), axis=0)).mean() for frame in run]
    assert slope[12] < 0.6 * slope[0]


def test_the_specimen_lies_where_the_drift_says() -> None:
    still = {"drift": 4.0, "wander": 0.0, "look": {"dose": 1e5, "jitter": 0.0, "lines": 0.0}}
    first, later = islice(frames(Simulation(size_px=128, particles=15, diameter_px=14, **still)), 0, 4, 3)
    move = np.round(later.facts.drift_2).astype(int)
    assert np.hypot(*later.facts.drift_2) == pytest.approx(12)
    both = [np.roll(first.label_HW > 0, move, (0, 1))[16:-16, 16:-16], (later.label_HW > 0)[16:-16, 16:-16]]
    assert np.mean(both[0] != both[1]) < 0.03
    images = [np.roll(first.image_HW, move, (0, 1))[16:-16, 16:-16], later.image_HW[16:-16, 16:-16]]
    assert np.corrcoef(images[0].ravel(), images[1].ravel())[0, 1] > 0.95


def test_the_stage_turns_back_so_that_an_endless_run_stays_on_its_specimen() -> None:
    drifts = np.array([f.facts.drift_2 for f in islice(frames(Simulation(frames=None, drift=5.0, **SMALL)), 60)])
    assert 12 < np.abs(drifts).max() <= 16


def test_particles_grow_until_the_median_is_what_was_asked_for() -> None:
    settings = Simulation(size_px=256, particles=20, diameter_px=14, growth=0.4, grown=1.5, drift=0)
    run = list(islice(frames(settings), 40))
    sizes = [frame.facts.median_diameter for frame in (run[0], run[10], run[20], run[39])]
    assert sizes[1] == pytest.approx(sizes[0] + 4, abs=1.5)
    assert sizes[2] == pytest.approx(sizes[0] + 7, abs=1.5)
    assert sizes[3] == pytest.approx(sizes[2], abs=1.5)


def test_a_thousand_steps_of_sintering_leave_half_of_the_particles_and_then_things_stay_as_they_are() -> None:
    settings = Simulation(
        size_px=256, particles=30, diameter_px=12, coalescences=0.5, growth=0.05, ripening=0.05, turnover=0.2
    )
    world = specimen(settings, np.array([256.0, 256.0]))
    moments = list(islice(world.moments(), 1000))
    number = [len(moment.id_K) for moment in moments]
    coverage = [float(np.sum(np.pi * moment.radius_K**2)) / 256**2 for moment in moments]
    assert world.sintered
    assert number[0] > 25
    assert min(number[300:]) > number[0] / 4
    assert max(number[300:]) < 0.8 * number[0]
    assert max(coverage) < 0.4
    assert len(world.events) < 5
    places = np.concatenate([moment.place_K2 for moment in moments])
    assert places.min() >= 0
    assert places.max() <= 256


def test_frames_are_read_back_with_their_pixel_size_and_never_pass_for_real_ones(tmp_path) -> None:
    run(tmp_path, frames=2, pixel_size_nm=0.135)
    path = tmp_path / "frames/frame_000002.tif"
    (micrograph,) = TiffReader().open(path)
    assert isinstance(micrograph, Micrograph)
    assert micrograph.pixel_size_nm == pytest.approx(0.135, rel=1e-6)
    second = list(frames(Simulation(**SMALL, frames=2, pixel_size_nm=0.135)))[1]
    np.testing.assert_array_equal(micrograph.image_HW, second.image_HW)
    with tifffile.TiffFile(path) as file:
        assert '"kind": "emgen phantom"' in file.pages[0].description


def test_without_a_pixel_size_files_state_none_and_nm_columns_are_empty(tmp_path) -> None:
    truth = run(tmp_path, frames=1, pixel_size_nm=None)
    (micrograph,) = TiffReader().open(tmp_path / "frames/frame_000001.tif")
    assert micrograph.pixel_size_nm is None
    assert rows(truth / "truth.csv")[0]["mean_diameter_nm"] == ""


def test_mrc_and_8_bits_are_to_be_had(tmp_path) -> None:
    run(tmp_path / "mrc", frames=1, suffix=".mrc", pixel_size_nm=0.25)
    (micrograph,) = MrcReader().open(tmp_path / "mrc/frames/frame_000001.mrc")
    assert micrograph.image_HW.dtype == np.uint16
    assert micrograph.pixel_size_nm == pytest.approx(0.25)
    run(tmp_path / "tif", frames=1, dtype="uint8")
    assert tifffile.imread(tmp_path / "tif/frames/frame_000001.tif").dtype == np.uint8


def test_truth_lies_beside_the_folder_and_says_what_the_frames_are(tmp_path) -> None:
    truth = run(tmp_path, frames=3)
    assert sorted(path.name for path in (tmp_path / "frames").iterdir()) == [f"frame_00000{k}.tif" for k in (1, 2, 3)]
    table = rows(truth / "truth.csv")
    expected = list(frames(Simulation(**SMALL, frames=3)))
    for row, frame in zip(table, expected, strict=True):
        np.testing.assert_array_equal(tifffile.imread(truth / f"{row['file'][:-4]}_labels.tif"), frame.label_HW)
        assert int(row["particles"]) == frame.facts.particles
        assert float(row["mean_diameter_nm"]) == pytest.approx(0.2 * frame.facts.mean_diameter, rel=1e-4)
        assert abs(float(row["written_at"]) - time.time()) < 30
    listed = [float(row["diameter_px"]) for row in rows(truth / "truth_particles.csv") if row["frame"] == "3"]
    np.testing.assert_allclose(listed, expected[2].facts.diameter_K, rtol=1e-4)


def test_labels_and_the_list_of_particles_can_be_left_out(tmp_path) -> None:
    truth = run(tmp_path, frames=1, labels=False, diameters=False)
    assert [path.name for path in truth.iterdir()] == ["truth.csv"]


def test_frames_come_at_their_pace_and_truth_is_there_while_the_run_goes_on(tmp_path) -> None:
    told: list[str] = []
    settings = Simulation(**{**QUICK, "interval_s": 0.2, "frames": 5})
    acquired = simulate(tmp_path / "frames", settings, tell=told.append)
    written = np.array([float(row["written_at"]) for row in rows(tmp_path / "frames-truth/truth.csv")])
    assert acquired.frames == 5
    if not acquired.late:  # the machine may be busy, and then it says so
        np.testing.assert_allclose(np.diff(written), 0.2, atol=0.1)
    assert bool(told) == bool(acquired.late)


def test_a_pace_that_cannot_be_kept_is_told(tmp_path) -> None:
    told: list[str] = []
    settings = Simulation(
        size_px=512, particles=60, diameter_px=20, interval_s=0.001, frames=12, low_priority=False, write_s=0
    )
    acquired = simulate(tmp_path / "frames", settings, tell=told.append)
    assert acquired.late >= 4
    assert len(told) < acquired.late
    assert "does not manage one in 0.001 s" in told[-1]
    late = [float(row["late_s"]) for row in rows(tmp_path / "frames-truth/truth.csv")]
    assert max(late) == pytest.approx(acquired.latest_s, rel=1e-3)


def test_a_file_grows_under_its_own_name_unless_asked_otherwise(tmp_path) -> None:
    assert len(sizes_seen(tmp_path / "plain", atomic=False)) > 1
    assert len(sizes_seen(tmp_path / "atomic", atomic=True)) == 1


def sizes_seen(folder: Path, *, atomic: bool) -> set[int]:
    """Of the first frame, while it is written."""
    settings = Simulation(**{**QUICK, "frames": 2, "interval_s": 0.8, "write_s": 0.2, "atomic": atomic})
    worker = threading.Thread(target=simulate, args=(folder, settings))
    worker.start()
    sizes = set()
    while worker.is_alive():
        path = folder / "frame_000001.tif"
        if path.exists():
            sizes.add(path.stat().st_size)
        time.sleep(0.005)
    worker.join()
    return sizes - {0}


@pytest.mark.skipif(not hasattr(os, "nice"), reason="this system has no nice values")
def test_a_run_steps_back_behind_what_else_the_computer_does(tmp_path) -> None:
    nice: list[int] = []

    def in_a_thread_of_its_own() -> None:
        settings = Simulation(**{**QUICK, "frames": 1, "low_priority": True})
        simulate(tmp_path / "frames", settings, should_stop=lambda: bool(nice.append(os.nice(0))))

    worker = threading.Thread(target=in_a_thread_of_its_own)
    worker.start()
    worker.join()
    assert min(nice) >= 10


def test_a_run_stops_when_asked_to(tmp_path) -> None:
    settings = Simulation(**{**QUICK, "frames": None})
    folder = tmp_path / "frames"
    acquired = simulate(folder, settings, should_stop=lambda: (folder / "frame_000003.tif").exists())
    assert acquired.frames == 3


@pytest.mark.parametrize("kind", FAULTS)
def test_each_fault_does_to_the_file_what_it_says(tmp_path, kind: str) -> None:
    truth = run(tmp_path, frames=1, faults=1.0, fault_kinds=(kind,), pause_s=0.05, kept_s=0.05)
    files = {
        "duplicate": ["frame_000001.tif", "frame_000001_copy.tif"],
        "renamed": ["frame_000001_saved.tif"],
        "deleted": [],
        "text": ["frame_000001.tif", "frame_000001.txt"],
    }
    paths = sorted((tmp_path / "frames").iterdir())
    assert [path.name for path in paths] == files.get(kind, ["frame_000001.tif"])
    assert [readable(path, truth) for path in paths if path.suffix == ".tif"] == [
        kind not in ("truncated", "garbage", "empty")
    ] * sum(path.suffix == ".tif" for path in paths)
    (entry,) = rows(truth / "faults.csv")
    assert entry["kind"] == kind
    good = {"truncated": "no", "garbage": "no", "empty": "no", "text": "no", "deleted": "either"}
    assert entry["good"] == good.get(kind, "yes")


def test_copies_are_the_same_bytes_and_a_wrong_size_is_another(tmp_path) -> None:
    run(tmp_path / "copy", frames=1, faults=1.0, fault_kinds=("duplicate",), pause_s=0)
    first, second = ((tmp_path / "copy/frames" / f"frame_000001{end}.tif").read_bytes() for end in ("", "_copy"))
    assert first == second
    run(tmp_path / "size", frames=1, faults=1.0, fault_kinds=("wrong-size",))
    assert tifffile.imread(tmp_path / "size/frames/frame_000001.tif").shape == (48, 40)


def readable(path: Path, truth: Path) -> bool:
    """Whether it is a micrograph, and the one that the truth speaks of."""
    try:
        (micrograph,) = TiffReader().open(path)
        image_HW = micrograph.image_HW
    except (EmgenError, tifffile.TiffFileError, ValueError):
        return False
    return image_HW.shape == tifffile.imread(truth / "frame_000001_labels.tif").shape


def test_a_stalled_file_is_half_there_until_it_goes_on_and_other_frames_come_meanwhile(tmp_path) -> None:
    seeds = (s for s in range(99) if [kind_of(s, k) for k in range(3)] == ["stalled", None, None])
    truth = run(tmp_path, seed=next(seeds), frames=3, faults=0.3, fault_kinds=("stalled",), pause_s=0.5)
    order = [int(row["frame"]) for row in rows(truth / "truth.csv")]
    assert order == [2, 3, 1]
    assert readable(tmp_path / "frames/frame_000001.tif", truth)


def kind_of(seed: int, index: int) -> str | None:
    from emgen.copilot.simulator.faults import fault_of

    return fault_of(Simulation(seed=seed, faults=0.3, fault_kinds=("stalled",), **SMALL), index)


def test_a_stopped_run_completes_what_is_half_written_and_deletes_nothing_early(tmp_path) -> None:
    def begun() -> bool:
        return (tmp_path / "frames/frame_000004.tif").exists()

    kinds = ("stalled", "deleted")
    settings = Simulation(**{**QUICK, "frames": None, "faults": 1.0, "fault_kinds": kinds, "pause_s": 99, "kept_s": 99})
    simulate(tmp_path / "frames", settings, should_stop=begun)
    assert len(rows(tmp_path / "frames-truth/truth.csv")) == 4
    assert all(tifffile.imread(path).shape == (64, 64) for path in (tmp_path / "frames").iterdir())


def test_what_is_owed_is_every_sound_frame_once_and_no_bad_file(tmp_path) -> None:
    truth = run(tmp_path, seed=1, frames=60, faults=0.6, pause_s=0.01, kept_s=1.0, labels=False)
    once, never = owed(truth)
    table = {row["file"]: row["kind"] for row in rows(truth / "faults.csv")}
    assert set(table.values()) == set(FAULTS)
    assert never == {name for name, kind in table.items() if kind in ("truncated", "garbage", "empty", "text")}
    assert len(once) == 60 - sum(kind in ("truncated", "garbage", "empty") for kind in table.values())
    there = {path.name for path in (tmp_path / "frames").iterdir()}
    deleted = {name for name, kind in table.items() if kind == "deleted"}
    assert there | deleted | {name for name, kind in table.items() if kind == "renamed"} == {
        *(name for names in once.values() for name in names),
        *never,
    }


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"particles": 5000, "size_px": 256}, "cover more than 40 %"),
        ({"diameter_nm": 4.0, "pixel_size_nm": None}, "needs pixel_size_nm"),
        ({"change_modality": "bf-tem"}, "change_at is missing"),
        ({"modality": "sem"}, "modality"),
        ({"look": {"doze": 3}}, 'Did you mean "dose"'),
        ({"partikles": 3}, 'Did you mean "particles"'),
        ({"stem": "../x"}, "stem"),
        ({"size_px": (64, 8)}, "size_px"),
    ],
)
def test_a_wrong_setting_is_named(wrong, text: str) -> None:
    with pytest.raises(SpecError, match=text):
        simulation(**wrong)


def test_diameters_in_nm_are_taken_by_the_pixel_size() -> None:
    assert simulation(diameter_nm=5.0, pixel_size_nm=0.25).diameter == 20


def test_truth_is_neither_put_among_the_frames_nor_mixed_with_that_of_another_run(tmp_path) -> None:
    settings = Simulation(**{**QUICK, "frames": 1})
    with pytest.raises(SpecError, match="folder of the frames"):
        simulate(tmp_path, settings, truth=tmp_path / "truth")
    run(tmp_path, frames=1)
    with pytest.raises(OutputError, match="earlier run"):
        run(tmp_path, frames=1)

"""The parts of studies: settings, micrographs, scores, what is shown while they run."""

from __future__ import annotations

import io
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from click.testing import CliRunner

import emgen_metrics.plugin
from emgen.cli import main
from emgen.data import Window
from emgen.demo import COMPACT, DIAMETER, SIDE, SPEC, TRAINING, UNSEEN
from emgen.errors import NoImagesError, PreflightError, SpecError
from emgen.host import Host
from emgen.stages import MetricContext
from emgen.study.ablation_data import chosen_windows
from emgen.study.board import Board
from emgen.study.charts import bins_chart, colours, curves_chart, dots_chart, forest_chart, lines_chart, scatter_chart
from emgen.study.executor import make_executor
from emgen.study.material import own_material, write_phantom_material
from emgen.study.recall import Bin
from emgen.study.report import marked
from emgen.study.run import STUDIES, definition_of
from emgen.study.scoring import score_labels, scorers_of
from emgen.study.settings import PhantomSpec, read_study
from emgen.study.summary import by_arm, compare, spread
from emgen.study.trial import Material, Outcome, Result, Trial
from emgen.testing import fakes

SPECS = Path(__file__).parents[2] / "docs" / "specs"


def trial(arm: str = "a", seed: int = 0, **factors: Any) -> Trial:
    material = Material(images=("x",))
    return Trial(
        study="rough",
        arm=arm,
        seed=seed,
        spec={},
        settings={},
        material=material,
        folder="nowhere",
        store="nowhere",
        command="emgen study",
        factors=factors,
    )


def result(arm: str, seed: int, seconds: float = 60.0, **values: float) -> Result:
    return Result(trial=trial(arm, seed), status="done", outcome=Outcome(values=values), seconds=seconds)


def test_the_block_of_the_study_is_apart_from_the_spec_of_the_run(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("images: phantoms\nmodality: haadf-stem\nstudy: {snapshots: 4, phantoms: {side: 128}}\n")
    file = read_study(path, ["study.phantoms.unseen=3", "data.crop=64"], {"snapshots": 7})
    assert file.on_phantoms
    assert "study" not in file.tree
    assert file.tree["data"] == {"crop": 64}
    assert (file.study.snapshots, file.study.phantoms.side, file.study.phantoms.unseen) == (7, 128, 3)


@pytest.mark.parametrize("block", [{"snapshots": 0}, {"truht": "labels"}, {"counts": [1.0]}, {"degraded": [5]}])
def test_a_wrong_setting_names_its_field(block: dict[str, Any]) -> None:
    with pytest.raises(SpecError, match=rf"study\.{next(iter(block))}"):
        read_study({"images": "phantoms", "study": block})


def test_the_spec_of_phantoms_is_that_of_the_demo_with_longer_trainings_of_larger_networks() -> None:
    written = yaml.safe_load((SPECS / "phantoms.yaml").read_text())
    longer = {"rough_segmenter": "steps", "contrast_gan": "max_steps", "downstream_task": "max_steps"}
    for name, value in SPEC.items():
        if name in ("name", "preset", "checkpoints"):
            continue
        if steps := longer.get(name):
            assert written[name].get(steps, 250) > value[steps], name
            others = {"encoder", *COMPACT, steps}
            assert {k: v for k, v in written[name].items() if k not in others} == {
                k: v for k, v in value.items() if k not in others
            }, name
        else:
            assert written[name] == value, name
    phantoms = {"micrographs": TRAINING, "unseen": UNSEEN, "side": SIDE, "diameter": DIAMETER}
    assert written["study"]["phantoms"] == phantoms


def test_phantoms_are_made_once_and_anew_for_other_settings(tmp_path: Path) -> None:
    settings = PhantomSpec(micrographs=2, unseen=1, side=64, diameter=10)
    material = write_phantom_material(tmp_path, settings, "haadf-stem", seed=3)
    files = {path: path.read_bytes() for path in sorted(tmp_path.rglob("*.tif"))}
    times = [path.stat().st_mtime_ns for path in files]
    assert len(files) == 2 * 3
    assert material.phantoms
    write_phantom_material(tmp_path, settings, "haadf-stem", seed=3)
    assert [path.stat().st_mtime_ns for path in files] == times
    write_phantom_material(tmp_path, settings.model_copy(update={"micrographs": 3, "unseen": 1}), "haadf-stem", seed=4)
    again = {path: path.read_bytes() for path in sorted(tmp_path.rglob("*.tif"))}
    assert len(again) == 2 * 4
    assert all(again[path] != content for path, content in files.items())


def test_there_are_no_phantoms_of_every_modality(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"study\.phantoms\.imaging"):
        write_phantom_material(tmp_path, PhantomSpec(), "electron-holography", seed=0)


def test_micrographs_to_score_on_are_taken_out_of_those_to_train_on(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        np.save(tmp_path / f"{name}.npy", np.zeros((4, 4)))
    (tmp_path / "labels").mkdir()
    host = Host.from_modules([fakes])
    study = {"evaluate": str(tmp_path / "b.npy"), "truth": str(tmp_path / "labels")}
    material = own_material(read_study({"images": str(tmp_path / "*.npy"), "study": study}), host)
    assert [Path(path).name for path in material.images] == ["a.npy", "c.npy"]
    assert [Path(path).name for path in material.unseen] == ["b.npy"]
    with pytest.raises(NoImagesError, match="leaves none to train on"):
        own_material(read_study({"images": str(tmp_path / "b.npy"), "study": study}), host)
    with pytest.raises(NoImagesError, match="no folder nowhere"):
        own_material(read_study({"images": str(tmp_path), "study": {**study, "truth": "nowhere"}}), host)


def test_fewer_images_are_a_part_of_more() -> None:
    windows = [Window(index, 0, 0, 8, 8) for index in range(8)]
    chosen = [set(chosen_windows(windows, share, seed=1)) for share in (0.01, 0.25, 0.5, 1.0)]
    assert [len(own) for own in chosen] == [1, 2, 4, 8]
    assert all(few < more for few, more in pairwise(chosen))
    assert chosen_windows(windows, 0.25, seed=1) != chosen_windows(windows, 0.25, seed=2)


def squares(shape_HW: tuple[int, int], *places: tuple[int, int], side: int = 4) -> Any:
    label_HW = np.zeros(shape_HW, np.int32)
    for number, (y, x) in enumerate(places, start=1):
        label_HW[y : y + side, x : x + side] = number
    return label_HW


def test_micrographs_of_different_size_are_scored_together() -> None:
    host = Host.from_modules([emgen_metrics.plugin])
    truth = [squares((20, 30), (2, 2), (10, 20)), squares((12, 16), (4, 4))]
    found = [squares((20, 30), (2, 2)), squares((12, 16), (4, 5))]
    scores = score_labels(found, truth, scorers_of(host), ["a", "b"])
    both, either, pixels = 16 + 12, 32 + 20, 20 * 30 + 12 * 16
    expected = (both / either + (pixels - either) / (pixels - both)) / 2
    assert scores["values"]["miou"] == pytest.approx(expected)
    assert scores["values"]["object_recall"] == pytest.approx(2 / 3)
    assert scores["images"]["a"]["object_recall"] == pytest.approx(1 / 2)
    assert scores["values"]["diameter_error"] == pytest.approx(0)


def test_pooled_scores_are_those_of_the_metrics_on_a_stack() -> None:
    rng = np.random.default_rng(0)
    scorers = scorers_of(Host.from_modules([emgen_metrics.plugin]))
    places = [tuple(int(v) for v in rng.integers(0, 24, 2)) for _ in range(6)]
    truth = np.stack([squares((32, 32), *places[:3]), squares((32, 32), *places[3:])])
    found = np.roll(truth, 1, axis=2)
    values = score_labels(list(found), list(truth), scorers, ["a", "b"])["values"]
    for scorer in scorers.values():
        for name, value in scorer.metric.compute(found, truth, MetricContext()).items():
            assert values[name] == pytest.approx(value), name


def test_effects_pair_the_seeds_that_both_arms_have() -> None:
    results = [result("a", 0, miou=0.7), result("a", 1, miou=0.8), result("b", 1, miou=0.75), result("b", 2, miou=0.1)]
    (own,) = compare([("a", "b")], by_arm(results), "miou")
    assert own.effect.n == 1
    assert own.effect.mean == pytest.approx(0.05)
    assert np.isnan(own.effect.low)
    assert spread([]) == "–"


def test_code_in_an_answer_is_shown_as_code_and_nothing_else_is_html() -> None:
    assert str(marked("with `inverted < 1` & more")) == "with <code>inverted &lt; 1</code> &amp; more"
    assert str(marked("one ` alone")) == "one ` alone"


def test_the_board_says_how_long_the_rest_takes() -> None:
    stream = io.StringIO()
    board = Board(3, stream)
    board.running([trial()])
    board.finished(result("a", 0, seconds=100.0, miou=0.7))
    board.finished(result("a", 1, seconds=0.5, miou=0.7))
    told = stream.getvalue().splitlines()
    assert told[0] == "[1/3, 0:03:20 left] a, seed 0: done in 0:01:40, miou 0.700"
    assert "[2/3, 0:01:40 left]" in told[1]  # what was stored says nothing about the pace
    board.finished(Result(trial=trial(), status="failed", reason="it broke\nand more"))
    assert "failed: it broke" in stream.getvalue()


@pytest.mark.parametrize("study", STUDIES)
def test_every_study_has_a_title_a_question_and_a_command(study: str) -> None:
    definition = definition_of(study)
    assert definition.TITLE
    assert definition.QUESTION.endswith("?")
    shown = CliRunner().invoke(main, ["study", study, "--help"])
    assert shown.exit_code == 0
    assert {"--executor", "--workers", "--seed", "--quick"} <= set(shown.output.split())


def test_an_unknown_study_is_told_the_nearest() -> None:
    with pytest.raises(SpecError, match="baselines"):
        definition_of("baseline")


def test_dask_without_its_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with pytest.raises(PreflightError, match=r"emgen\[cluster\]"):
        make_executor("dask")


def test_charts_bear_what_studies_give_them() -> None:
    colour = colours(["a", "b"])
    curve = [(10.0, 0.2), (20.0, 0.4)]
    bins = [Bin(low=0, high=1, middle=0.5, n=0, found=0, recall=float("nan"), recall_low=0, recall_high=1)]
    charts = [
        curves_chart({"a": [curve, curve[:1]], "b": [curve]}, "MIoU", colour),
        dots_chart({"a": [0.1], "b": [float("nan")]}, "MIoU", colour),
        dots_chart({}, "MIoU", colour),
        forest_chart([("a − b", 0.1, float("nan"), float("nan"))], "points"),
        lines_chart({"a": [(1, [0.1, 0.2]), (2, [])]}, "images", "KID", colour, level=("floor", 0.1)),
        scatter_chart({"a": [(0.1, 0.2)]}, "x", "y", colour, diagonal=True),
        bins_chart({"a": bins}, "px", colour),
    ]
    assert all(chart.startswith("<svg") for chart in charts)

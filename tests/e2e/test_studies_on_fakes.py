"""Every study from its spec to its report on instant fakes: what it leaves, what it resumes, what it survives."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tandem_inputs import small_spec, write_images

import emgen_metrics.plugin
import emgen_readers.plugin
import emgen_segmenters.plugin
from emgen import hookimpl
from emgen.errors import Interrupted, PreflightError, SpecError
from emgen.host import Host, use_host
from emgen.registration import ModalityPlugin, StageConfig, StagePlugin
from emgen.study.executor import HereExecutor, Watch
from emgen.study.run import StudyResult, run_study
from emgen.study.trial import Result, Trial
from emgen.testing import fakes
from emgen.testing.fake_stages import LogisticThreshold
from emgen.testing.fakes import TaskConfig

HERE = __name__
Study = Callable[..., StudyResult]
PHANTOMS = {"micrographs": 4, "unseen": 2, "side": 96, "diameter": 10, "imaging": "haadf-stem"}
ARMS: dict[str, Any] = {
    "networks": {"soft": {"sharpness": 2.0}, "hard": {"sharpness": 20.0}},
    "segmenters": {"Otsu": "fake-segmenter", "unready": "unready"},
    "degraded": [0, 4],
}


class Nothing(StageConfig):
    """No settings."""


class Sturdy(LogisticThreshold):
    """A downstream task that fails on one seed."""

    def fit(self, image_NHW: Any, label_NHW: Any, context: Any) -> None:
        if Path(str(context.scratch)).parents[1].joinpath("fail").exists():
            raise ZeroDivisionError("the loss fell through the floor")
        super().fit(image_NHW, label_NHW, context)


class Weighty(LogisticThreshold):
    """A downstream task with a file of weights, which the segmenter that takes models looks for."""

    def save(self, folder: Path) -> None:
        super().save(folder)
        (folder / "empty.safetensors").touch()


def missing_weights(config: Any, device: str) -> None:
    raise PreflightError("weights.safetensors is missing; fetch it with `fetch-weights`")


class Module:
    """What the tests register beside the fakes."""

    __name__ = HERE

    @hookimpl
    def emgen_rough_segmenters(self) -> list[StagePlugin]:
        create = "emgen.testing.fake_stages:OtsuSegmenter"
        preflight = f"{HERE}:missing_weights"
        return [StagePlugin(name="unready", config=Nothing, create=create, summary="no weights", preflight=preflight)]

    @hookimpl
    def emgen_downstream_tasks(self) -> list[StagePlugin]:
        return [
            StagePlugin(name="sturdy", config=TaskConfig, create=f"{HERE}:Sturdy", summary="fails when told to"),
            StagePlugin(name="weighty", config=TaskConfig, create=f"{HERE}:Weighty", summary="has weights"),
        ]

    @hookimpl
    def emgen_modalities(self) -> list[ModalityPlugin]:
        (bright,) = fakes.emgen_modalities()
        how = {"normalise": bright.normalise, "defaults": bright.defaults, "summary": "dark particles"}
        return [ModalityPlugin(name="fake-dark", polarity="dark", **how)]


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    modules = [fakes, emgen_readers.plugin, emgen_metrics.plugin, emgen_segmenters.plugin, Module()]
    with use_host(Host.from_modules(modules)) as made:
        yield made


def study_spec(**study: Any) -> dict[str, Any]:
    settings = {"phantoms": PHANTOMS, "snapshots": 2, **ARMS, **study}
    small = small_spec(Path("phantoms"), gate={"mode": "off"}, metrics=["fake-metric", "ssim"])
    return {
        **small,
        "images": "phantoms",
        "split": {"guard": 4, "by": "micrograph", "subset1": 2, "held_out": 0.2},
        "study": settings,
    }


@pytest.fixture
def study(host: Host, tmp_path: Path) -> Study:
    """``study(name, spec, seeds=…)`` runs into ``tmp_path/out``."""

    def run(name: str, spec: Any = None, *, seeds: Sequence[int] = (0,), **how: Any) -> StudyResult:
        how = {"executor": HereExecutor(), "progress": False, "host": host, **how}
        return run_study(name, spec or study_spec(), tmp_path / "out", seeds=seeds, **how)

    return run


def arms_of(result: StudyResult) -> list[str]:
    return list(dict.fromkeys(own.trial.arm for own in result.results))


def values(result: StudyResult, arm: str, name: str) -> list[float]:
    return [own.outcome.values[name] for own in result.results if own.trial.arm == arm]


def page(result: StudyResult) -> str:
    return result.report.read_text()


def test_baselines_train_one_network_on_each_data_set_and_score_it_on_unseen_micrographs(study: Study) -> None:
    result = study("baselines", seeds=(0, 1))
    assert arms_of(result) == [
        "rough masks",
        "trained on rough masks",
        "1st generation",
        "label-free",
        "hand labels, 1 micrograph",
        "hand labels, 3 micrographs",
        "hand labels",
        "exact truth",
    ]
    assert {own.status for own in result.results} == {"done"}
    for own in result.results:
        assert 0 < own.outcome.values["miou"] <= 1
        assert {"pixel_accuracy", "dice", "object_f1", "diameter_error"} <= set(own.outcome.values)
    trained = [own.outcome for own in result.results if own.trial.arm != "rough masks"]
    assert all([step for step, _ in own.curves["miou"]] == [4, 8] for own in trained)
    assert all(own.values["steps_to_95"] in (4, 8) and own.curves["loss: loss"] for own in trained)
    found = {(own.arm, own.other): own for own in result.summary.comparisons if own.measure == "miou"}
    own = found["label-free", "hand labels"]
    pairs = [values(result, arm, "miou") for arm in ("label-free", "hand labels")]
    assert own.effect.mean == pytest.approx(np.mean(pairs[0]) - np.mean(pairs[1]))
    assert own.effect.n == 2
    assert np.isnan(own.effect.low), "two seeds have no interval"
    assert ("label-free", "hand labels, 1 micrograph") in found


def test_a_study_leaves_a_page_and_tables_for_other_programs(study: Study) -> None:
    result = study("architectures", seeds=(0, 1))
    html = page(result)
    assert "Network architectures" in html
    assert html.count("<svg") >= 4
    assert html.count("data:image/png") == 2 * (2 + 2)  # micrographs and truth, and two arms of two micrographs
    assert not re.search(r"(src|href)=\"(?!data:|#)", html)
    document = json.loads((result.folder / "results.json").read_text())
    assert [own["arm"] for own in document["trials"]] == ["soft", "soft", "hard", "hard"]
    assert document["effects"][0].keys() >= {"difference", "low", "high", "p_holm", "n"}
    rows = list(csv.DictReader((result.folder / "results.csv").open()))
    assert [float(row["miou"]) for row in rows] == [own.outcome.values["miou"] for own in result.results]
    assert next(csv.DictReader((result.folder / "effects.csv").open()))["arm"] == "soft"


def test_networks_learn_from_one_virtual_data_set(study: Study) -> None:
    result = study("architectures")
    inputs = set()
    for own in result.results:
        record = json.loads((Path(own.trial.folder) / "run" / "manifest.json").read_text())
        inputs.add(next(step["key"] for step in record["steps"] if step["label"] == "second_generation"))
    assert len(inputs) == 1


def test_worse_rough_masks_are_measured_beside_what_comes_of_them(study: Study) -> None:
    result = study("rough")
    (exact,), (worst,) = values(result, "exact truth", "rough_miou"), values(result, "truth, 4 worse", "rough_miou")
    assert exact > 0.99 > 0.9 > worst
    assert all(own.outcome.values["miou"] > 0 for own in result.results if own.status == "done")
    (unready,) = [own for own in result.results if own.trial.arm == "unready"]
    assert unready.status == "skipped"
    assert "fetch-weights" in unready.reason
    assert "fetch-weights" in page(result)


def test_the_ablation_asks_whether_the_tandem_on_few_images_beats_the_morphology_gan_on_all(study: Study) -> None:
    result = study("ablation", study_spec(counts=[0.5, 1.0]), seeds=(0, 1))
    by_trial = {(own.trial.arm, own.trial.factors["share"], own.trial.seed): own.outcome for own in result.results}
    assert len(by_trial) == 8
    assert [by_trial["tandem", share, 0].values["images"] for share in (0.5, 1.0)] == [1, 2]
    assert {"mean-distance", "ssim"} <= set(by_trial["tandem", 0.5, 0].values)
    asked = {own.measure: own for own in result.summary.comparisons}
    few = np.mean([by_trial["tandem", 0.5, seed].values["ssim"] for seed in (0, 1)])
    everything = np.mean([by_trial["morphology GAN alone", 1.0, seed].values["ssim"] for seed in (0, 1)])
    assert asked["ssim"].effect.mean == pytest.approx(few - everything)
    assert result.summary.answers[0].startswith("Does the tandem on 1 images beat the morphology GAN alone on 2?")


def test_the_ablation_needs_neither_truth_nor_unseen_micrographs(study: Study, tmp_path: Path) -> None:
    spec = small_spec(write_images(tmp_path / "images", 4), gate={"mode": "off"}, metrics=["fake-metric"])
    result = study("ablation", {**spec, "study": {"counts": [0.5, 1.0]}})
    assert {own.status for own in result.results} == {"done"}
    assert "Scores: generated images are compared with" in " ".join(result.summary.answers)


def test_a_model_of_bright_particles_serves_dark_ones_when_the_image_is_inverted(study: Study) -> None:
    spec = study_spec(
        phantoms={**PHANTOMS, "imaging": "bf-tem"}, source={"modality": "fake-modality", "imaging": "haadf-stem"}
    )
    result = study("transfer", {**spec, "modality": "fake-dark", "downstream_task": "weighty"})
    assert arms_of(result) == ["own rough segmenter", "transfer, image inverted", "transfer, as it is"]
    (flipped,), (plain,) = (values(result, arm, "rough_miou") for arm in arms_of(result)[1:])
    assert flipped > plain
    assert "evidence" in page(result)


def test_without_truth_transfer_is_judged_by_what_micrographs_say(study: Study, tmp_path: Path) -> None:
    spec = small_spec(write_images(tmp_path / "images", 4), gate={"mode": "off"}, downstream_task="weighty")
    source = {"images": str(write_images(tmp_path / "others", 3, radius=7.0))}
    result = study("transfer", {**spec, "study": {"source": source}})
    assert all(0 <= own.outcome.values["evidence"] <= 1 for own in result.results)
    assert page(result).count("data:image/png") >= 3


def test_own_micrographs_with_truth_and_hand_labels_are_scored_as_well(study: Study, tmp_path: Path) -> None:
    tifffile = pytest.importorskip("tifffile")
    images = write_images(tmp_path / "images", 5)
    for kind in ("truth", "hand"):
        (tmp_path / kind).mkdir()
        for path in images.iterdir():
            label = (np.load(path) > 4000).astype(np.uint8) * 255
            tifffile.imwrite(tmp_path / kind / f"{path.stem}_mask.tif", label)
    settings = {"evaluate": str(images / "image4.npy"), "truth": str(tmp_path / "truth"), "snapshots": 2}
    spec = {**small_spec(images, gate={"mode": "off"}), "study": {**settings, "hand_labels": str(tmp_path / "hand")}}
    result = study("baselines", spec)
    assert "hand labels" in arms_of(result)
    assert "exact truth" not in arms_of(result)
    record = json.loads((Path(result.results[0].trial.folder) / "run" / "manifest.json").read_text())
    assert "image4" not in json.dumps(record.get("data", {}))
    assert min(values(result, "hand labels", "miou")) > 0.9


def test_studies_that_score_refuse_micrographs_without_truth(study: Study, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"study\.evaluate(.|\n)*study\.truth(.|\n)*phantoms"):
        study("baselines", small_spec(write_images(tmp_path / "images")))


def test_transfer_without_a_source_says_how_to_give_one(study: Study) -> None:
    with pytest.raises(SpecError, match=r"study\.source(.|\n)*--source"):
        study("transfer")


def test_a_wrong_setting_of_the_study_is_named(study: Study) -> None:
    with pytest.raises(SpecError, match=r"study\.snapshts"):
        study("architectures", study_spec(snapshts=2))


def test_the_second_time_everything_comes_from_the_store(study: Study) -> None:
    first = study("architectures")
    made = {path.name: path.stat().st_mtime_ns for path in (first.folder / "store").glob("*-*")}
    second = study("architectures")
    assert {path.name: path.stat().st_mtime_ns for path in (second.folder / "store").glob("*-*")} == made
    assert [own.outcome for own in second.results] == [own.outcome for own in first.results]


class StopAfter:
    """Does so many trials, then asks the executor to stop."""

    def __init__(self, count: int) -> None:
        self.count = count

    def map(self, trials: Sequence[Trial], watch: Watch) -> Iterator[Result]:
        done = iter(range(len(trials)))
        yield from HereExecutor().map(trials, lambda running: next(done) >= self.count)


def test_a_stopped_study_reports_what_it_has_and_goes_on_where_it_was(study: Study, tmp_path: Path) -> None:
    with pytest.raises(Interrupted, match=r"emgen study architectures"):
        study("architectures", executor=StopAfter(1))
    document = json.loads((tmp_path / "out" / "results.json").read_text())
    assert [own["status"] for own in document["trials"]] == ["done", "interrupted"]
    assert "interrupted" in (tmp_path / "out" / "report.html").read_text()
    assert {own.status for own in study("architectures").results} == {"done"}


def test_a_trial_that_fails_is_reported_and_the_others_go_on(study: Study, tmp_path: Path) -> None:
    spec = study_spec(networks={"soft": {"uses": "fake-task"}, "sturdy": {"uses": "sturdy"}})
    (tmp_path / "out" / "store").mkdir(parents=True)
    (tmp_path / "out" / "store" / "fail").touch()
    result = study("architectures", spec)
    assert [own.status for own in result.results] == ["done", "failed"]
    assert 'downstream task "sturdy"' in result.failed[0].reason
    assert "the loss fell through the floor" in page(result)
    (tmp_path / "out" / "store" / "fail").unlink()
    assert not study("architectures", spec).failed

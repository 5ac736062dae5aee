"""The whole tandem on instant fakes: what it leaves, what it keeps, what it refuses."""

from __future__ import annotations

import json
import shutil
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from tandem_inputs import small_spec, write_images

from emgen import hookimpl
from emgen.artifacts import Artifact
from emgen.engine import run_spec
from emgen.engine.device import pick_precision
from emgen.engine.losses import read_losses
from emgen.errors import (
    BadImageError,
    DataError,
    NoImagesError,
    NoParticlesError,
    OutputError,
    PluginError,
    PreflightError,
    SpecError,
    StageFailedError,
    UnreadableFileError,
)
from emgen.host import Host
from emgen.registration import MetricPlugin, StageConfig, StagePlugin
from emgen.stages import Context
from emgen.testing import fakes
from emgen.testing.fake_stages import OtsuSegmenter
from emgen.testing.fakes import SegmenterConfig

HERE = __name__
Start = Callable[..., Any]


class Nothing(StageConfig):
    """No settings."""


class Empty:
    """A rough segmenter that finds nothing."""

    def __init__(self, config: Any, context: Any) -> None: ...

    def segment(self, image_NHW: Any) -> Any:
        return np.zeros(image_NHW.shape, np.int32)


class Dark:
    """Takes dark discs for particles, whatever the modality says."""

    def __init__(self, config: Any, context: Any) -> None: ...

    def segment(self, image_NHW: Any) -> Any:
        return OtsuSegmenter(SegmenterConfig(), Context(polarity="dark")).segment(image_NHW)


class Broken:
    """A morphology GAN that fails after it wrote a checkpoint."""

    def __init__(self, config: Any, context: Any) -> None: ...

    def fit(self, label_NHW: Any, image_NHW: Any, context: Any) -> None:
        (context.scratch / "checkpoint").write_text("step 3")
        raise ZeroDivisionError("the loss fell through the floor")


class Misshapen:
    """A sampler that returns arrays of the wrong shape."""

    def __init__(self, config: Any, context: Any) -> None: ...

    def fit(self, label_NHW: Any) -> None: ...

    def sample(self, n: int, shape_HW: Any, rng: Any) -> Any:
        return np.zeros((n, 3, 3), np.int32)

    def save(self, folder: Path) -> None: ...

    def load(self, folder: Path) -> None: ...


class FullDisk:
    """A contrast GAN that meets a full disk."""

    def __init__(self, config: Any, context: Any) -> None: ...

    def fit(self, source_NHW: Any, target_MHW: Any, context: Any) -> None:
        raise OSError(28, "No space left on device")


class Pairs:
    """A paired metric: mean absolute difference."""

    def __init__(self, config: Any, context: Any) -> None: ...

    def compute(self, a: Any, b: Any, context: Any) -> dict[str, float]:
        assert a.shape == b.shape
        return {"difference": float(np.mean([np.abs(a[i] - b[i]).mean() for i in range(len(a))]))}


def missing_weights(config: Any, device: str) -> None:
    raise PreflightError("weights.safetensors is missing; fetch it with `fetch-weights`")


def stage(name: str, attribute: str, **more: Any) -> StagePlugin:
    return StagePlugin(name=name, config=Nothing, create=f"{HERE}:{attribute}", summary=name, **more)


@hookimpl
def emgen_rough_segmenters() -> list[StagePlugin]:
    return [
        stage("empty", "Empty"),
        stage("dark-discs", "Dark"),
        stage("unready", "Empty", preflight=f"{HERE}:missing_weights"),
        StagePlugin(
            name="simulated",
            config=SegmenterConfig,
            create="emgen.testing.fake_stages:OtsuSegmenter",
            summary="weights from simulated images",
            simulated_weights=True,
        ),
    ]


@hookimpl
def emgen_mask_samplers() -> list[StagePlugin]:
    return [stage("misshapen", "Misshapen")]


@hookimpl
def emgen_morphology_gans() -> list[StagePlugin]:
    return [stage("broken", "Broken")]


@hookimpl
def emgen_contrast_gans() -> list[StagePlugin]:
    return [stage("full-disk", "FullDisk")]


@hookimpl
def emgen_metrics() -> list[MetricPlugin]:
    return [MetricPlugin(name="pairs", config=Nothing, create=f"{HERE}:Pairs", summary="pairs", needs="paired")]


class Observer:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []
        self.logged: dict[str, int] = {}

    @hookimpl
    def emgen_stage_started(self, run: Path, stage: str) -> None:
        self.told.append(("started", stage))

    @hookimpl
    def emgen_stage_logged(self, run: Path, stage: str, step: int, values: Any) -> None:
        self.logged[stage] = step

    @hookimpl
    def emgen_stage_finished(self, run: Path, stage: str, artifact: Path, cached: bool) -> None:
        self.told.append(("cached" if cached else "finished", stage))

    @hookimpl
    def emgen_stage_failed(self, run: Path, stage: str, error: BaseException) -> None:
        self.told.append(("failed", stage))
        raise RuntimeError("an observer that fails changes nothing")


def write_briefly(folder: Path) -> Path:
    (folder / "report.html").write_text("brief")
    return folder / "report.html"


@pytest.fixture(autouse=True)
def brief_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """The report has tests of its own, and takes longer than all other steps together."""
    monkeypatch.setattr("emgen.report.write_report", write_briefly)


@pytest.fixture
def observer() -> Observer:
    return Observer()


@pytest.fixture
def host(observer: Observer) -> Host:
    return host_with(observer)


def host_with(observer: Observer) -> Host:
    module = types.SimpleNamespace(**{name: value for name, value in globals().items() if name.startswith("emgen_")})
    module.__name__ = HERE
    return Host.from_modules([fakes, module, observer])


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One run for every test that only looks at what a run leaves."""
    folder = tmp_path_factory.mktemp("finished")
    spec = small_spec(write_images(folder / "images"), metrics=["fake-metric"], name="discs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("emgen.report.write_report", write_briefly)
        return run_spec(spec, folder / "run", host=host_with(Observer()), progress=False)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    return write_images(tmp_path / "images")


@pytest.fixture
def start(tmp_path: Path, images: Path, host: Host) -> Start:
    """``start(**changes of the spec)`` runs into ``tmp_path/run``."""

    def run(out: Path = tmp_path / "run", folder: Path = images, **changes: Any) -> Any:
        changes = {"metrics": ["fake-metric"], **changes}
        return run_spec(small_spec(folder, **changes), out, host=host, progress=False)

    return run


def manifest(out: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((out / "manifest.json").read_text())
    return document


def made(out: Path) -> list[str]:
    """Labels of the steps that were not cached."""
    return [step["label"] for step in manifest(out)["steps"] if not step["cached"]]


def model_bytes(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((out / "model").iterdir())}


def test_a_run_leaves_a_model_scores_and_its_record(finished: Any) -> None:
    assert {"spec.yaml", "manifest.json", "stages", "model", "metrics.json"} <= {
        p.name for p in finished.folder.iterdir()
    }
    assert (finished.model / "model.json").is_file()
    assert 0 <= finished.scores["second_generation"]["fake-metric"]["mean-distance"] < 0.5
    assert json.loads((finished.folder / "metrics.json").read_text()) == finished.scores


def test_virtual_images_pair_with_their_exact_masks(finished: Any) -> None:
    outcome = finished.outcome
    first, second = outcome.first.images.open(), outcome.second.images.open()
    masks = outcome.second.labels.open()
    assert masks.shape == first.shape == second.shape == (20, 32, 32)
    assert masks.dtype == np.int32
    assert first.dtype == np.float32
    inside = second[:][masks[:] > 0].mean()
    assert inside > second[:][masks[:] == 0].mean() + 0.2


def test_the_subsets_are_at_the_working_scale_and_rough_labels_come_with_subset_1(finished: Any) -> None:
    parts = finished.outcome.parts
    assert parts.subset1_images.open().shape == parts.subset1_labels.open().shape
    assert parts.subset1_images.open().shape[1:] == (32, 32)
    assert len(parts.subset2_images) > 0
    assert parts.plan["scale"]["working_diameter"] == pytest.approx(8.0)
    factors, diameters = parts.plan["scale"]["factors"], parts.plan["scale"]["diameters"]
    assert [f * d for f, d in zip(factors, diameters, strict=True)] == pytest.approx([8.0] * 3)


def test_the_second_run_is_cached_throughout(start: Start, tmp_path: Path) -> None:
    before = model_bytes(start().folder)
    result = start()
    assert made(result.folder) == []
    assert model_bytes(result.folder) == before


def test_a_change_repeats_only_what_depends_on_it(start: Start, tmp_path: Path) -> None:
    start()
    start(contrast_gan={"uses": "fake-contrast", "steps": 9})
    assert made(tmp_path / "run") == [
        "contrast_gan",
        "second_generation",
        "gate second_generation",
        "downstream_task",
        "score fake-metric second_generation",
        "second_generation of response",
        "gate of response",
        "response of the model",
        "domain of the model",
    ]


def test_a_new_metric_trains_nothing(start: Start, tmp_path: Path) -> None:
    start(metrics=["fake-metric"])
    result = start(metrics=["fake-metric", "pairs"])
    assert made(tmp_path / "run") == [
        "held_out_first_generation",
        "held_out_second_generation",
        "score pairs first_generation",
        "score pairs second_generation",
    ]
    assert result.scores["first_generation"]["pairs"]["difference"] > 0


def test_neither_names_nor_places_of_files_decide_a_key(start: Start, images: Path, tmp_path: Path) -> None:
    keys = [step["key"] for step in manifest(start().folder)["steps"]]
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for index, path in enumerate(sorted(images.iterdir())):
        shutil.copy(path, moved / f"other{index}.npy")
    other = start(out=tmp_path / "second", folder=moved)
    assert [step["key"] for step in manifest(other.folder)["steps"]] == keys


def test_other_pixels_or_another_seed_give_other_keys(start: Start, tmp_path: Path) -> None:
    start()
    start(seed=1)
    assert "micrographs" not in made(tmp_path / "run")
    assert "rough_segmenter" in made(tmp_path / "run")
    start(folder=write_images(tmp_path / "others", radius=7.0))
    assert "micrographs" in made(tmp_path / "run")


def test_runs_share_a_store(tmp_path: Path, images: Path, host: Host) -> None:
    for name in ("one", "two"):
        run_spec(small_spec(images), tmp_path / name, host=host, progress=False, cache=tmp_path / "store")
    assert made(tmp_path / "two") == []
    assert model_bytes(tmp_path / "one") == model_bytes(tmp_path / "two")
    assert not (tmp_path / "two" / "stages").exists()


def test_the_manifest_says_what_the_model_came_from(finished: Any) -> None:
    record = manifest(finished.folder)
    assert record["status"] == "complete"
    assert record["name"] == "discs"
    assert [row["name"] for row in record["data"]["micrographs"]] == ["image0", "image1", "image2"]
    assert all(len(row["sha256"]) == 64 for row in record["data"]["micrographs"])
    assert record["environment"]["libraries"]["numpy"] == np.__version__
    assert record["split"] == {name: fact for name, fact in finished.outcome.parts.plan.items() if name != "sources"}
    assert record["device"] == "cpu"
    assert record["precision"] == pick_precision("auto", "cpu")
    step = next(step for step in record["steps"] if step["label"] == "downstream_task")
    assert Artifact(finished.folder / step["folder"]).key == step["key"]
    assert step["plugin"] == "fake-task"
    info = json.loads((finished.model / "model.json").read_text())
    assert info["working_diameter"] == pytest.approx(8.0)
    assert info["provenance"]["key"] == step["key"]
    assert info["provenance"]["simulated"] is False


def test_weights_from_simulated_images_mark_everything_after_them(start: Start) -> None:
    result = start(rough_segmenter="simulated")
    record = manifest(result.folder)
    assert record["simulated"] is True
    marked = {step["label"] for step in record["steps"] if step["simulated"]}
    assert "downstream_task" in marked
    assert "micrographs" not in marked
    assert json.loads((result.model / "model.json").read_text())["provenance"]["simulated"] is True


def test_weights_from_simulated_images_can_be_barred(start: Start) -> None:
    with pytest.raises(PreflightError, match="simulated"):
        start(rough_segmenter="simulated", allow_simulated_weights=False)


def test_the_resolved_spec_runs_alone(start: Start, host: Host, tmp_path: Path) -> None:
    result = start()
    again = run_spec(result.folder / "spec.yaml", tmp_path / "run", host=host, progress=False)
    assert made(again.folder) == []


def test_losses_are_kept_for_the_report(finished: Any) -> None:
    rows = read_losses(finished.outcome.morphology.folder)
    assert [row["step"] for row in rows] == list(range(8))
    assert all("loss" in row for row in rows)


def test_observers_are_told(start: Start, observer: Observer) -> None:
    start()
    assert ("started", "morphology_gan") in observer.told
    assert observer.told.index(("started", "masks")) < observer.told.index(("finished", "masks"))
    assert observer.logged["downstream_task"] == 7
    observer.told.clear()
    start()
    assert {what for what, _ in observer.told} == {"cached"}


def test_a_failed_stage_names_the_plugin_and_the_way_to_resume(
    start: Start, observer: Observer, tmp_path: Path
) -> None:
    with pytest.raises(StageFailedError) as caught:
        start(morphology_gan="broken")
    text = str(caught.value)
    assert 'morphology GAN "broken"' in text
    assert "ZeroDivisionError: the loss fell through the floor" in text
    assert f"emgen run {tmp_path}/run/spec.yaml --out {tmp_path}/run" in text
    (partial,) = (tmp_path / "run" / "stages").glob("*.partial")
    assert str(partial) in text
    assert (partial / "scratch" / "checkpoint").read_text() == "step 3"
    assert ("failed", "morphology_gan") in observer.told
    assert manifest(tmp_path / "run")["status"] == "failed"


def test_what_was_done_before_a_failure_is_kept(start: Start, tmp_path: Path) -> None:
    with pytest.raises(StageFailedError):
        start(morphology_gan="broken")
    start()
    assert {"rough_segmenter", "split", "mask_sampler"}.isdisjoint(made(tmp_path / "run"))


def test_a_stage_that_breaks_the_contract_is_named(start: Start) -> None:
    with pytest.raises(StageFailedError, match=r'mask sampler "misshapen"(.|\n)*shape \(\d+, 3, 3\)'):
        start(mask_sampler="misshapen")


def test_a_disk_that_fills_up_is_an_output_error_with_the_way_to_resume(start: Start) -> None:
    with pytest.raises(OutputError, match=r"No space left on device(.|\n)*emgen run"):
        start(contrast_gan="full-disk")


def test_too_little_room_is_found_before_any_work(start: Start, observer: Observer, monkeypatch: Any) -> None:
    usage = types.SimpleNamespace(free=2**20)
    monkeypatch.setattr("emgen.engine.cache.shutil.disk_usage", lambda path: usage)
    with pytest.raises(OutputError, match="1 MiB free"):
        start()
    assert observer.told == []


def test_an_output_that_cannot_be_a_folder_is_refused(start: Start, tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file")
    with pytest.raises(OutputError, match="cannot be written"):
        start()


def test_no_images_are_refused(start: Start, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    with pytest.raises(NoImagesError, match="none"):
        start(folder=tmp_path / "none")


def test_fewer_images_than_subset_1_asks_are_refused(start: Start) -> None:
    with pytest.raises(NoImagesError, match=r"split\.subset1: 5"):
        start(split={"subset1": 5})


def test_one_image_cannot_be_split_by_micrograph(start: Start, tmp_path: Path) -> None:
    with pytest.raises(NoImagesError, match="by: micrograph"):
        start(folder=write_images(tmp_path / "one", count=1), split={"by": "micrograph"})


def test_one_large_image_is_split_by_region(start: Start, tmp_path: Path) -> None:
    result = start(folder=write_images(tmp_path / "one", count=1))
    assert result.outcome.parts.plan["by"] == "region"


def test_one_image_too_small_to_divide_is_refused(start: Start, tmp_path: Path) -> None:
    tiny = tmp_path / "one"
    tiny.mkdir()
    image = np.full((20, 20), 100, np.uint16)
    image[5:12, 5:12] = 900
    np.save(tiny / "tiny.npy", image)
    with pytest.raises(NoImagesError, match="too small"):
        start(folder=tiny, split={"guard": 30})


@pytest.mark.parametrize(
    ("image", "error"),
    [
        (np.full((64, 64), 7, np.uint8), BadImageError),
        (np.full((64, 64), np.nan, np.float32), BadImageError),
    ],
    ids=["constant", "nan"],
)
def test_images_that_cannot_be_used_are_named_before_training(
    start: Start, images: Path, observer: Observer, image: Any, error: type[Exception]
) -> None:
    np.save(images / "bad.npy", image)
    with pytest.raises(error, match=r"bad\.npy"):
        start()
    assert ("started", "rough_segmenter") not in observer.told


def test_a_truncated_file_is_named(start: Start, images: Path) -> None:
    whole = (images / "image0.npy").read_bytes()
    (images / "half.npy").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UnreadableFileError, match=r"half\.npy"):
        start()


def test_mixed_sizes_and_depths_are_taken(start: Start, images: Path) -> None:
    large = np.load(images / "image0.npy")
    np.save(images / "wide.npy", (np.concatenate([large, large], axis=1) // 256).astype(np.uint8))
    result = start()
    assert any("mixed sizes" in note for note in manifest(result.folder)["data"]["notes"])


def test_a_rough_segmentation_without_particles_says_what_to_try(start: Start) -> None:
    with pytest.raises(NoParticlesError, match=r"image0, image1, image2(.|\n)*polarity"):
        start(rough_segmenter="empty")


def test_particles_of_the_other_polarity_are_noticed(start: Start, tmp_path: Path, images: Path) -> None:
    for path in images.iterdir():
        np.save(path, 65535 - np.load(path))
    with pytest.raises(DataError, match="darker"):
        start(rough_segmenter="dark-discs")


def test_a_metric_that_needs_truth_is_refused_before_any_work(start: Start, observer: Observer) -> None:
    with pytest.raises(SpecError, match=r"metrics\.0.*emgen evaluate"):
        start(metrics=["fake-iou"])
    assert observer.told == []


def test_a_paired_metric_needs_something_held_out(start: Start) -> None:
    with pytest.raises(SpecError, match="held_out is 0"):
        start(metrics=["pairs"], split={"held_out": 0})


def test_missing_weights_are_found_before_any_work(start: Start, observer: Observer) -> None:
    with pytest.raises(PreflightError, match="fetch-weights"):
        start(rough_segmenter="unready")
    assert observer.told == []


def test_the_command_runs_a_spec_file(images: Path, host: Host, tmp_path: Path, monkeypatch: Any) -> None:
    from emgen.cli import main
    from emgen.host import use_host

    monkeypatch.chdir(tmp_path)
    Path("discs.yaml").write_text(yaml.safe_dump(small_spec(images)))
    with use_host(host):
        shown = CliRunner().invoke(main, ["run", "discs.yaml", "--set", "virtual.images=8", "--quiet"])
    assert "second generation: mean-distance" in shown.output
    assert "runs/discs/model" in shown.output
    assert Artifact(next(Path("runs/discs/stages").glob("masks-*"))).manifest["arrays"]["label"]["shape"] == [8, 32, 32]


def test_a_report_that_fails_does_not_lose_the_run(images: Path, host: Host, tmp_path: Path, monkeypatch: Any) -> None:
    from emgen.cli import main
    from emgen.host import use_host

    def fail(folder: Path) -> Path:
        raise RuntimeError("no ink")

    monkeypatch.setattr("emgen.report.write_report", fail)
    (tmp_path / "discs.yaml").write_text(yaml.safe_dump(small_spec(images)))
    with use_host(host):
        shown = CliRunner().invoke(
            main, ["run", str(tmp_path / "discs.yaml"), "--out", str(tmp_path / "run"), "--quiet"]
        )
    assert shown.exit_code == 1
    assert "no ink" in shown.output
    assert (tmp_path / "run" / "model" / "model.json").is_file()
    assert manifest(tmp_path / "run")["status"] == "complete"


def test_the_downstream_task_trains_on_other_data_through_the_same_store(
    images: Path, host: Host, tmp_path: Path
) -> None:
    from emgen.engine import opened_run
    from emgen.engine.tandem import tandem
    from emgen.spec import load_spec

    spec = load_spec(small_spec(images), host=host)
    with opened_run(spec, tmp_path / "run", host=host, progress=False) as run:
        outcome = tandem(run)
        parts = outcome.parts
        rough = run.train_downstream(parts.subset1_images, parts.subset1_labels, label="on rough masks")
        first = run.train_downstream(outcome.first.images, outcome.first.labels, label="on 1st generation")
        first_NHW, label_NHW = outcome.first.images.open(), outcome.first.labels.open()
        truth = run.bring(first_NHW, label_NHW, {"working_diameter": 8.0}, label="truth")
        ceiling = run.train_downstream(*truth, label="on truth")
    assert len({outcome.model.key, rough.key, first.key, ceiling.key}) == 4
    assert {"on rough masks", "on 1st generation", "on truth"} <= set(made(tmp_path / "run"))
    same = (ceiling.path("model/fake.json").read_bytes(), first.path("model/fake.json").read_bytes())
    assert same[0] == same[1]


def test_pluginerror_is_what_a_wrong_array_raises() -> None:
    from emgen.engine.pieces import checked

    with pytest.raises(PluginError, match=r"\[0, 1\]"):
        checked(np.full((1, 2, 2), 1.5), (1, 2, 2), np.float32)

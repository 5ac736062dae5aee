"""The virtual images of a run on instant fakes as a data set: complete, loadable, and each image's history true."""

from __future__ import annotations

import csv
import json
import shutil
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import yaml
from click.testing import CliRunner
from tandem_inputs import small_spec, write_images

from emgen import hookimpl
from emgen.artifacts import open_stack
from emgen.cli import main
from emgen.engine import run_spec
from emgen.errors import OutputError
from emgen.host import Host
from emgen.registration import StagePlugin
from emgen.testing import fakes
from emgen.testing.fake_stages import Painter
from emgen.testing.fakes import TrainedConfig
from emgen.writing.dataset import VALIDATION, export_dataset
from emgen_readers.tiff import TiffReader

HERE = __name__


class Forgetful(Painter):
    """A morphology GAN that paints no particle on the first mask of every batch."""

    def generate(self, label_NHW: Any, rng: Any) -> Any:
        return super().generate(np.concatenate([0 * label_NHW[:1], label_NHW[1:]]), rng)


@hookimpl
def emgen_morphology_gans() -> list[StagePlugin]:
    return [StagePlugin(name="forgetful", config=TrainedConfig, create=f"{HERE}:Forgetful", summary="forgets some")]


def finish(folder: Path, **changes: Any) -> Path:
    """A run folder; the report and the response of the model, which no data set needs, are left out."""
    module = types.SimpleNamespace(emgen_morphology_gans=emgen_morphology_gans, __name__=HERE)
    spec = small_spec(write_images(folder / "images"), metrics=["fake-metric"], **changes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("emgen.report.write_report", lambda folder: folder / "report.html")
        patch.setattr("emgen.engine.run.Run.measure_response", lambda *parts: None, raising=False)
        return run_spec(spec, folder / "run", host=Host.from_modules([fakes, module]), progress=False).folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two of its twenty virtual images are left out by the gate."""
    data = {"crop": 32, "working_diameter": 8.0, "crops_per_micrograph": 6, "pixel_size_nm": 0.5, "scale": "stack"}
    gate = {"mode": "quarantine", "least_kept": 0.0}
    folder = tmp_path_factory.mktemp("run")
    return finish(folder, name="discs", data=data, gate=gate, morphology_gan={"uses": "forgetful", "steps": 8})


@pytest.fixture(scope="module")
def dataset(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_dataset(run, tmp_path_factory.mktemp("export") / "dataset")


def test_workers_write_the_same_bytes(
    run: Path, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr("emgen.writing.dataset.AT_ONCE", 4)
    contents = lambda folder: {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    assert contents(export_dataset(run, tmp_path / "parallel", workers=2)) == contents(dataset)


def rows_of(dataset: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (dataset / "metadata.jsonl").read_text().splitlines()]


def provenance(dataset: Path) -> list[dict[str, str]]:
    with (dataset / "provenance.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def artifact(run: Path, key: str) -> Path:
    (found,) = (run / "stages").glob(f"*-{key[:12]}")
    return found


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def front_matter(dataset: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((dataset / "README.md").read_text().split("---\n")[1])
    return loaded


def test_every_image_has_its_mask_and_instances(dataset: Path) -> None:
    rows = rows_of(dataset)
    assert len(rows) == 18
    for row in rows:
        image, mask, label = (tifffile.imread(dataset / row[f"{kind}file_name"]) for kind in ("", "mask_", "label_"))
        assert image.shape == mask.shape == label.shape == (row["height"], row["width"])
        assert (image.dtype, mask.dtype, label.dtype) == (np.uint16, np.uint8, np.uint16)
        assert np.array_equal(mask, np.where(label > 0, 255, 0))
        assert len(np.unique(label)) - 1 == row["particles"] > 0
        assert image[label > 0].mean() > image[label == 0].mean()
    for kind in ("images", "masks", "labels"):
        assert len(list((dataset / kind).iterdir())) == 18


def test_the_provenance_of_each_image_leads_to_it(run: Path, dataset: Path) -> None:
    for row, files in zip(provenance(dataset), rows_of(dataset), strict=True):
        assert row["file_name"] == files["file_name"]
        mask = open_stack(artifact(run, row["masks_key"]) / "label")[int(row["masks_index"])]
        made = open_stack(artifact(run, row["second_generation_key"]) / "image")[int(row["second_generation_index"])]
        assert np.array_equal(tifffile.imread(dataset / files["label_file_name"]), mask)
        image = tifffile.imread(dataset / files["file_name"]) / 65535
        assert np.abs(image - made).max() <= 0.5 / 65535 + 1e-6
        assert row["masks_plugin"] == "fake-masks"
        assert row["first_generation_plugin"] == "forgetful"
        assert int(row["first_generation_gate_sound"]) == files["particles"]
        assert int(row["masks_batch"]) == int(row["masks_index"]) // 16 * 16
    indices = [int(row["masks_index"]) for row in provenance(dataset)]
    assert sorted(set(range(20)) - set(indices)) == [0, 16]


def test_the_split_is_by_mask_so_that_both_generations_are_split_alike(
    run: Path, dataset: Path, tmp_path: Path
) -> None:
    first = export_dataset(run, tmp_path / "first", generation="first")

    def held_out(folder: Path) -> set[str]:
        names = (folder / "splits" / "val.txt").read_text().split()
        rows = provenance(folder)
        return {row["masks_index"] for row in rows if Path(row["file_name"]).stem in names}

    assert held_out(first) == held_out(dataset)
    train, val = ((dataset / "splits" / f"{name}.txt").read_text().split() for name in ("train", "val"))
    assert len(val) == round(VALIDATION * 18)
    assert sorted(train + val) == [f"virtual-{number:05d}" for number in range(1, 19)]
    assert {Path(row["file_name"]).stem for row in rows_of(dataset) if row["split"] == "val"} == set(val)


def test_the_first_generation_is_what_stood_before_the_contrast_gan(run: Path, tmp_path: Path) -> None:
    out = export_dataset(run, tmp_path / "first", generation="first")
    row = provenance(out)[3]
    made = open_stack(artifact(run, row["first_generation_key"]) / "image")[int(row["first_generation_index"])]
    assert np.abs(tifffile.imread(out / row["file_name"]) / 65535 - made).max() <= 1e-5
    assert "second_generation_key" not in row
    assert "1st generation" in (out / "README.md").read_text()


def test_the_same_run_gives_the_same_bytes(run: Path, dataset: Path, tmp_path: Path) -> None:
    assert files(export_dataset(run, tmp_path / "again")) == files(dataset)


def test_coco_files_hold_each_instance_of_their_split(dataset: Path) -> None:
    counts = {}
    for name in ("coco.json", "coco-train.json", "coco-val.json"):
        document = json.loads((dataset / name).read_text())
        counts[name] = len(document["images"])
        for image in document["images"]:
            label = tifffile.imread(dataset / image["file_name"].replace("images/", "labels/"))
            mine = [each for each in document["annotations"] if each["image_id"] == image["id"]]
            assert {each["label"]: each["area"] for each in mine} == {
                int(value): int((label == value).sum()) for value in np.unique(label)[1:]
            }
    assert counts["coco.json"] == counts["coco-train.json"] + counts["coco-val.json"] == 18


def test_the_pixel_size_is_that_of_the_working_scale(run: Path, dataset: Path) -> None:
    factors = json.loads((run / "manifest.json").read_text())["split"]["scale"]["factors"]
    size = TiffReader().open(dataset / "images" / "virtual-00001.tif")[0].pixel_size_nm
    assert size == pytest.approx(0.5 / factors[0])
    assert rows_of(dataset)[0]["pixel_size_nm"] == pytest.approx(size)


def test_every_picture_says_that_it_is_virtual(dataset: Path) -> None:
    with tifffile.TiffFile(dataset / "images" / "virtual-00001.tif") as file:
        assert "simulated=true" in file.pages[0].description
    text = (dataset / "README.md").read_text()
    assert "**None of these images is a micrograph.**" in text


def test_the_card_says_what_the_images_came_from(run: Path, dataset: Path) -> None:
    text = (dataset / "README.md").read_text()
    front = front_matter(dataset)
    assert front["license"] == "unknown"
    assert front["pretty_name"] == "discs"
    assert front["size_categories"] == ["n<1K"]
    assert "not chosen" in text
    for part in ("forgetful", "fake-contrast", "Gate after the 1st generation", "18 of 20 images were kept"):
        assert part in text
    scores = json.loads((run / "metrics.json").read_text())
    assert f"{scores['second_generation']['fake-metric']['mean-distance']:.3g}" in text
    document = json.loads((dataset / "provenance.json").read_text())
    assert [len(row["sha256"]) for row in document["micrographs"]] == [64, 64, 64]
    assert {step["step"] for step in document["steps"]} >= {"masks", "morphology_gan", "contrast_gan", "split"}


def test_the_licence_is_the_users_to_choose(run: Path, tmp_path: Path) -> None:
    out = export_dataset(run, tmp_path / "licensed", licence="cc-by-4.0")
    assert front_matter(out)["license"] == "cc-by-4.0"
    assert "not chosen" not in (out / "README.md").read_text()


def test_nothing_in_the_data_set_tells_of_the_machine(run: Path, dataset: Path) -> None:
    for name, content in files(dataset).items():
        assert str(run.parent).encode() not in content, name


def test_a_run_without_a_gate_is_exported_whole(tmp_path: Path) -> None:
    out = export_dataset(finish(tmp_path, gate={"mode": "off"}), tmp_path / "dataset")
    assert len(rows_of(out)) == 20
    assert "No gate checked them" in (out / "README.md").read_text()
    assert "unknown: the micrographs have none" in (out / "README.md").read_text()


def test_the_model_of_a_run_names_the_run(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert export_dataset(run / "model") == Path("run-dataset")
    assert (tmp_path / "run-dataset" / "README.md").is_file()


def test_what_is_no_run_is_refused(run: Path, tmp_path: Path) -> None:
    for source in (tmp_path, tmp_path / "missing", next((run / "stages").glob("masks-*")), "pretrained"):
        with pytest.raises(OutputError, match="no run there"):
            export_dataset(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("status", ["running", "failed", "interrupted"])
def test_a_run_that_is_not_finished_is_refused_with_the_way_on(run: Path, tmp_path: Path, status: str) -> None:
    shutil.copytree(run, tmp_path / "run")
    document = json.loads((run / "manifest.json").read_text()) | {"status": status}
    (tmp_path / "run" / "manifest.json").write_text(json.dumps(document))
    with pytest.raises(OutputError, match=rf"not finished \(it is {status}\)(.|\n)*emgen run"):
        export_dataset(tmp_path / "run", tmp_path / "out")


def test_artifacts_that_are_gone_are_named(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "run")
    for folder in (tmp_path / "run" / "stages").glob("second_generation-*"):
        shutil.rmtree(folder)
    with pytest.raises(OutputError, match=r"second_generation(.|\n)*Make it again"):
        export_dataset(tmp_path / "run", tmp_path / "out")


def test_a_folder_in_use_is_left_alone(run: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep me")
    with pytest.raises(OutputError, match="not empty"):
        export_dataset(run, tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "keep me"


def test_a_failure_leaves_no_half_data_set(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "emgen.writing.dataset.card", lambda *parts: (_ for _ in ()).throw(OSError(28, "No space left"))
    )
    with pytest.raises(OutputError, match="No space left"):
        export_dataset(run, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_the_command_exports_it_with_the_licence_and_generation_asked_for(
    run: Path, dataset: Path, tmp_path: Path
) -> None:
    call = ["export", str(run), "--format", "dataset", "--out", str(tmp_path / "first"), "--licence", "cc-by-4.0"]
    done = CliRunner().invoke(main, [*call, "--generation", "first"])
    assert done.exit_code == 0, done.output
    assert "license: cc-by-4.0" in (tmp_path / "first" / "README.md").read_text()
    first, second = (next((folder / "images").glob("*.tif")) for folder in (tmp_path / "first", dataset))
    assert first.read_bytes() != second.read_bytes()


def test_an_option_of_another_format_is_refused(run: Path, tmp_path: Path) -> None:
    call = ["export", str(run), "--format", "onnx", "--out", str(tmp_path / "m.onnx"), "--licence", "mit"]
    done = CliRunner().invoke(main, call)
    assert done.exit_code == 2
    assert "licence" in done.stderr

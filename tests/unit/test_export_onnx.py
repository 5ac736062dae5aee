"""``emgen export --format onnx``: a file that stands in a model's place, checked as it is written."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import exportable
import numpy as np
import pytest
import tifffile
from click.testing import CliRunner

from emgen.api import export, segment
from emgen.cli import main
from emgen.errors import ModelError, OutputError, PluginError, PreflightError, SpecError
from emgen.exporting.onnx_task import OnnxTask
from emgen.host import Host, use_host
from emgen.model import load_model, model_digest, model_folder, read_info
from emgen.testing import fakes
from emgen.testing.phantoms import phantom_micrographs

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with use_host(exportable.host()) as host:
        yield host


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model in a run's folder."""
    return exportable.write_model(tmp_path_factory.mktemp("runs") / "gold" / "model", smallest_diameter=4.0)


@pytest.fixture(scope="module")
def exported(host: Host, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(folder, "onnx", tmp_path_factory.mktemp("exported") / "gold.onnx", host=host)


@pytest.fixture(scope="module")
def micrographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("micrographs")
    for number, phantom in enumerate(phantom_micrographs(2, (180, 211), seed=5, diameter=14, coverage=0.12)):
        tifffile.imwrite(folder / f"{number}.tif", np.round(60000 * phantom.image_HW).astype(np.uint16))
    return folder


def rewritten(source: Path, path: Path, **metadata: str | None) -> Path:
    """A copy of an exported file with other metadata; ``None`` removes one."""
    proto = onnx.load(str(source))
    texts = {prop.key: prop.value for prop in proto.metadata_props}
    texts |= {f"emgen_{name}": value for name, value in metadata.items()}
    del proto.metadata_props[:]
    onnx.helper.set_model_props(proto, {name: value for name, value in texts.items() if value is not None})
    onnx.save(proto, str(path))
    return path


def test_the_file_gives_the_probabilities_of_the_model_for_images_of_any_size(host, folder, exported) -> None:
    own, file = (load_model(place, host=host, device="cpu") for place in (folder, exported))
    for shape in [(1, 64, 64), (3, 33, 47), (2, 1, 5), (17, 8, 8)]:
        image_NHW = np.random.default_rng(0).random(shape, dtype=np.float32)
        found = file.task.predict(image_NHW)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, own.task.predict(image_NHW), atol=1e-4)


def test_segment_takes_the_file_in_the_models_place(host, folder, exported, micrographs, tmp_path) -> None:
    results = [segment(place, micrographs, tmp_path / place.name, host=host) for place in (folder, exported)]
    for name in ("0_labels.tif", "1_labels.tif", "particles.csv"):
        assert (tmp_path / "model" / name).read_bytes() == (tmp_path / "gold.onnx" / name).read_bytes()
    assert results[0].model == results[1].model
    assert len(results[1].particles) > 0


def test_the_file_says_what_the_model_says_and_what_wrote_it(folder, exported) -> None:
    own, told = read_info(folder), read_info(exported)
    assert {key: told[key] for key in own if key != "config"} == {key: own[key] for key in own if key != "config"}
    assert told["smallest_diameter"] == 4.0
    assert told["exported"]["opset"] == 17
    assert 0 <= told["exported"]["greatest_difference"] <= 1e-4
    texts = {prop.key: prop.value for prop in onnx.load(str(exported)).metadata_props}
    assert "haadf-stem" in texts["emgen_input"]
    assert "probability" in texts["emgen_output"]


def test_the_command_names_the_file_after_the_run_and_tells_the_greatest_difference(
    host, folder, tmp_path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["export", str(folder), "--format", "onnx"])
    assert result.exit_code == 0, result.output
    assert "Greatest difference" in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["gold.onnx"]


def test_the_same_model_gives_the_same_file(host, folder, exported, tmp_path) -> None:
    again = export(folder, "onnx", tmp_path / "gold.onnx", host=host)
    assert again.read_bytes() == exported.read_bytes()
    assert model_digest(again) == model_digest(exported)


def test_a_file_tells_nothing_of_this_computers_folders(host, tmp_path) -> None:
    folder = exportable.write_model(tmp_path / "model")
    scale = {"segmenter": "npssegnet", "config": {"model": str(folder), "factors": [1.0]}, "factors": [0.5, 1.0, 2.0]}
    own = exportable.write_model(tmp_path / "second", scale=scale)
    file = export(own, "onnx", tmp_path / "second.onnx", host=host)
    assert str(tmp_path) not in file.read_text(encoding="latin-1")
    assert read_info(file)["scale"]["config"]["model"] == "model"


# The rough segmenter that finds a micrograph's scale


def with_finder(folder: Path, segmenter: str, config: dict, finder: Path | None = None) -> Path:
    scale = {"segmenter": segmenter, "config": config, "factors": [0.2, 0.9, 3.0]}
    return exportable.write_model(folder, scale=scale, finder=finder)


def factors(host: Host, *models: Path) -> list[float]:
    """By which each resizes an image of 24 particles, 9 px across."""
    rows, columns = np.mgrid[:160, :240]
    inside_HW = np.hypot(rows % 40 - 20, columns % 40 - 20) < 4.5
    image_HW = np.random.default_rng(0).normal(0.2 + 0.6 * inside_HW, 0.02).clip(0, 1).astype(np.float32)
    return [load_model(model, host=host, device="cpu").factor(image_HW) for model in models]


def test_a_rough_segmenter_without_a_network_travels_by_its_settings(host, tmp_path) -> None:
    folder = with_finder(tmp_path / "model", "threshold", {"smallest": 5.0})
    lines: list[str] = []
    file = export(folder, "onnx", tmp_path / "m.onnx", host=host, tell=lines.append)
    own, other = factors(host, folder, file)
    assert own == other != 0.9
    assert any("threshold" in line and "settings" in line for line in lines)


def test_a_rough_segmenter_that_is_a_model_travels_in_the_file(host, tmp_path) -> None:
    first = exportable.write_model(tmp_path / "first")
    folder = with_finder(tmp_path / "model", "npssegnet", {"model": str(first), "factors": [1.0]})
    file = export(folder, "onnx", tmp_path / "m.onnx", host=host)
    before = factors(host, folder)
    shutil.rmtree(first)
    assert factors(host, file) == before != [0.9]


def test_a_rough_segmenter_that_was_taught_on_the_stack_travels_in_the_file(host, tmp_path) -> None:
    finder = tmp_path / "finder"
    shutil.copytree(model_folder("pretrained"), finder / "segmenter")
    (finder / "self_taught.json").write_text('{"nets": ["segmenter"], "typical": 14.0}')
    folder = with_finder(tmp_path / "model", "self-taught", {"diameter": 9.0}, finder)
    file = export(folder, "onnx", tmp_path / "m.onnx", host=host)
    own, other = factors(host, folder, file)
    assert own == pytest.approx(other, rel=1e-4)
    assert own != 0.9
    names = {prop.key for prop in onnx.load(str(file)).metadata_props}
    assert {"emgen_file/finder/self_taught.json", "emgen_file/finder/segmenter/network.onnx"} <= names


def test_a_rough_segmenter_that_is_not_installed_where_the_file_is_used_is_named(host, tmp_path) -> None:
    folder = with_finder(tmp_path / "model", "threshold", {})
    file = export(folder, "onnx", tmp_path / "m.onnx", host=host)
    with pytest.raises(ModelError, match=r"m\.onnx.*'threshold'.*Installed: fake-segmenter"):
        load_model(file, host=Host.from_modules([fakes, exportable]))


def test_what_the_model_does_to_sizes_travels_in_the_file(host, tmp_path) -> None:
    from emgen.sizes import response_of
    from emgen.sizes.response import measure_response, write_response

    folder = exportable.write_model(tmp_path / "model")
    (phantom,) = phantom_micrographs(1, (200, 200), seed=2, diameter=14, coverage=0.1)
    write_response(folder, measure_response([(phantom.label_HW, phantom.label_HW)]))
    file = export(folder, "onnx", tmp_path / "m.onnx", host=host)
    own, told = response_of(folder, host), response_of(file, host)
    assert own.to_dict() == told.to_dict() == load_model(file, host=host).response.to_dict()
    assert len(own.true_T) > 0


# What is refused


def test_a_task_that_cannot_be_exported_is_named(host, tmp_path) -> None:
    folder = exportable.write_model(tmp_path / "model", task="fake-task")
    with pytest.raises(ModelError, match=r"'fake-task'.*export_onnx"):
        export(folder, "onnx", tmp_path / "m.onnx", host=host)
    assert list(tmp_path.iterdir()) == [folder]


def test_a_file_that_differs_from_its_model_is_not_kept(host, tmp_path) -> None:
    folder = exportable.write_model(tmp_path / "model", task="inexact")
    with pytest.raises(ModelError, match=r"differ.* 0\.0001 is allowed"):
        export(folder, "onnx", tmp_path / "m.onnx", host=host)
    assert list(tmp_path.iterdir()) == [folder]


def test_a_network_that_amplifies_rounding_is_told_from_a_wrong_file(host, tmp_path) -> None:
    says = {}
    for task in ("inexact", "unsettled"):
        folder = exportable.write_model(tmp_path / task, task=task)
        with pytest.raises(ModelError, match=r"m\.onnx: not written") as error:
            export(folder, "onnx", tmp_path / "m.onnx", host=host)
        says[task] = "Train it longer" in str(error.value)
    assert says == {"inexact": False, "unsettled": True}


def test_a_conversion_that_fails_is_the_plugins_fault_and_says_why(host, tmp_path) -> None:
    folder = exportable.write_model(tmp_path / "model", task="failing")
    with pytest.raises(PluginError, match=r"'failing'.*an operator is missing"):
        export(folder, "onnx", tmp_path / "m.onnx", host=host)
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize(
    ("out", "says"), [("", "is a folder"), ("m.pt", r"`\.onnx`"), ("missing/m.onnx", "there is no folder")]
)
def test_a_place_that_will_not_do_is_refused_before_work(host, folder, tmp_path, out, says) -> None:
    with pytest.raises(OutputError, match=says):
        export(folder, "onnx", tmp_path / out, host=host)


def test_an_exported_file_is_not_exported_again(host, exported, tmp_path) -> None:
    with pytest.raises(ModelError, match="already"):
        export(exported, "onnx", tmp_path / "m.onnx", host=host)
    with pytest.raises(OutputError, match="the model itself"):
        export(exported, "onnx", exported, host=host)


def test_an_unknown_format_is_refused_with_those_there_are(host, folder) -> None:
    with pytest.raises(SpecError, match=r'"onx".*Did you mean "onnx".*bioimageio'):
        export(folder, "onx", host=host)


def test_what_must_be_installed_to_export_is_named(host, folder, tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(PreflightError, match=r"onnx must be installed.*pip install 'emgen\[onnx\]'"):
        export(folder, "onnx", tmp_path / "m.onnx", host=host)


def test_what_must_be_installed_to_use_a_file_is_named(host, exported, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(PreflightError, match=r"gold\.onnx.*pip install 'emgen\[onnx\]'"):
        load_model(exported, host=host)


def test_a_missing_file_is_a_missing_model(tmp_path) -> None:
    with pytest.raises(ModelError, match=r"gone\.onnx: no such file"):
        load_model(tmp_path / "gone.onnx")


@pytest.mark.parametrize("keep", [0, 40, 0.5, 0.98])
def test_a_truncated_file_is_a_typed_error(host, exported, tmp_path, keep) -> None:
    data = exported.read_bytes()
    (tmp_path / "cut.onnx").write_bytes(data[: keep if isinstance(keep, int) else int(keep * len(data))])
    for use in (read_info, lambda path: load_model(path, host=host)):
        with pytest.raises(ModelError, match=r"cut\.onnx"):
            use(tmp_path / "cut.onnx")


def test_a_file_of_another_kind_is_a_typed_error(host, tmp_path) -> None:
    tifffile.imwrite(tmp_path / "image.onnx", np.zeros((9, 9), np.uint8))
    with pytest.raises(ModelError, match=r"image\.onnx: not a readable ONNX file"):
        load_model(tmp_path / "image.onnx", host=host)


@pytest.mark.parametrize(
    ("metadata", "says"),
    [
        ({"format": None}, r"no emgen_format"),
        ({"format": "2"}, r"format 2; this emgen reads format 1"),
        ({"model": "{half"}, "not readable"),
        ({"model": "{}"}, "lack task, modality"),
        ({"model": '{"format": 9, "task": "a", "modality": "b", "polarity": "c", "working_diameter": 1}'}, "format 9"),
        ({"file/../../x.json": "aGVsbG8="}, r"outside the model, '\.\./\.\./x\.json'"),
        ({"file//etc/x": "aGVsbG8="}, "outside the model"),
        ({"file/x": "%%"}, "not base64"),
    ],
)
def test_metadata_that_are_not_emgens_are_refused(host, exported, tmp_path, metadata, says) -> None:
    path = rewritten(exported, tmp_path / "other.onnx", **metadata)
    with pytest.raises(ModelError, match=rf"other\.onnx.*{says}"):
        load_model(path, host=host)


def test_a_network_of_another_shape_is_refused(tmp_path) -> None:
    from onnx import TensorProto, helper

    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 3]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "other", ends[:1], ends[1:])
    path = tmp_path / "other.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    with pytest.raises(ModelError, match=r"not one that emgen exported.*x tensor\(float\) of 2 axes"):
        OnnxTask(path)


def test_a_gpu_that_this_onnxruntime_cannot_use_is_said(exported) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime can")
    with pytest.raises(PreflightError, match="onnxruntime-gpu"):
        OnnxTask(exported, "cuda")
    assert OnnxTask(exported, "auto").device == "cpu"

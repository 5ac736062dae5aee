"""``emgen export --format bioimageio``: a package that bioimageio.core's own test accepts, made without a network."""

from __future__ import annotations

import socket
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import exportable
import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from emgen.api import export
from emgen.cli import main
from emgen.errors import ModelError, PreflightError, SpecError
from emgen.exporting.percentiles import percentiles_of
from emgen.host import Host, use_host
from emgen.model import load_model
from emgen_modalities.normalise import HIGH, LOW, normalise


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with use_host(exportable.host()) as host:
        yield host


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exportable.write_model(tmp_path_factory.mktemp("runs") / "gold" / "model", smallest_diameter=4.0)


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any use of the network fails."""

    def refuse(*words: object, **settings: object) -> None:
        raise OSError(f"the network was used: {words}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture
def package(host: Host, folder: Path, tmp_path: Path, offline: None) -> Path:
    pytest.importorskip("bioimageio.core")
    try:
        return export(folder, "bioimageio", tmp_path / "gold.bioimageio.zip", host=host)
    except PreflightError as error:  # a pydantic that bioimageio.spec does not know yet
        pytest.skip(str(error))


def test_bioimageio_cores_own_test_accepts_the_package(package: Path) -> None:
    from bioimageio.core import test_description

    summary = test_description(package, weight_format="onnx", devices=["cpu"])
    assert summary.status == "passed", summary.details
    names = [detail.name for detail in summary.details]
    assert any("Reproduce test outputs" in name for name in names)
    assert any("batch_size: 2 and size parameter n: 2" in name for name in names)


def test_it_holds_what_a_reader_needs(package: Path) -> None:
    with zipfile.ZipFile(package) as archive:
        described = yaml.safe_load(archive.read("rdf.yaml"))
        names = set(archive.namelist())
        documentation = archive.read("README.md").decode()
    files = {"README.md", "cover.png", "model.onnx", "test_input.npy", "test_output.npy"}
    assert names == files | {"rdf.yaml", "sample_input.png", "sample_output.png"}
    assert described["format_version"].startswith("0.5")
    assert described["cite"][0]["doi"] == "10.1038/s41524-025-01800-5"
    assert described["config"]["emgen"]["working_diameter"] == 14.0
    assert described["weights"]["onnx"]["opset_version"] == 17
    assert described.get("license") is None  # whose model it is, says so
    assert "about 14 px across" in documentation
    assert "smaller across than 4 px" in documentation


def test_the_modalitys_normalisation_is_written_as_steps_of_the_package(package: Path) -> None:
    described = yaml.safe_load(zipfile.ZipFile(package).read("rdf.yaml"))
    steps = {step["id"]: step["kwargs"] for step in described["inputs"][0]["preprocessing"]}
    assert steps["scale_range"]["min_percentile"] == LOW
    assert steps["scale_range"]["max_percentile"] == HIGH
    assert "batch" not in steps["scale_range"]["axes"]
    assert steps["clip"] == {"min": 0.0, "max": 1.0}
    with zipfile.ZipFile(package) as archive, archive.open("test_input.npy") as file:
        sample = np.load(file)
    assert sample.max() > 10000  # as a detector counts, so that the steps are tested, too


def test_a_normalisation_of_another_kind_is_left_to_the_user_and_the_package_says_so(host, package, tmp_path) -> None:
    folder = exportable.write_model(tmp_path / "other", modality="gamma")
    other = export(folder, "bioimageio", tmp_path / "other.zip", host=host)
    described = yaml.safe_load(zipfile.ZipFile(other).read("rdf.yaml"))
    assert {step["id"] for step in described["inputs"][0].get("preprocessing", [])} <= {"ensure_dtype"}
    assert described["inputs"][0]["data"]["range"] == [0.0, 1.0]
    assert "normalised as emgen's modality `gamma` does" in zipfile.ZipFile(other).read("README.md").decode()


def test_the_weights_in_the_package_are_the_exported_model(host, package, tmp_path) -> None:
    zipfile.ZipFile(package).extract("model.onnx", tmp_path)
    assert load_model(tmp_path / "model.onnx", host=host).working_diameter == 14.0
    again = export(tmp_path / "model.onnx", "bioimageio", tmp_path / "again.zip", host=host)
    names = [zipfile.ZipFile(path).read("model.onnx") for path in (package, again)]
    assert names[0] == names[1]


def test_the_command_names_the_package_after_the_run_and_tells_the_verdict(package, folder, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    result = CliRunner().invoke(main, ["export", str(folder), "--format", "bioimageio"])
    assert result.exit_code == 0, result.output
    assert "bioimageio.core's own test: passed" in result.output
    assert "--licence" in result.output
    assert [path.name for path in Path().iterdir()] == ["gold.bioimageio.zip"]


def test_author_and_licence_are_whom_and_what_the_user_names(host, package, folder, tmp_path) -> None:
    given = {"author": "Ada Example", "licence": "cc-by-4.0"}
    named = export(folder, "bioimageio", tmp_path / "named.zip", host=host, **given)
    described = yaml.safe_load(zipfile.ZipFile(named).read("rdf.yaml"))
    assert [author["name"] for author in described["authors"]] == ["Ada Example"]
    assert described["license"] == "CC-BY-4.0"
    with pytest.raises(SpecError, match=r'"cc-by-4" is no SPDX identifier.* "cc-by-4\.0"'):
        export(folder, "bioimageio", tmp_path / "m.zip", host=host, licence="cc-by-4")
    with pytest.raises(SpecError, match=r'licence: the format "onnx" takes no such option; of bioimageio, dataset'):
        export(folder, "onnx", tmp_path / "m.onnx", host=host, licence="MIT")


def test_a_package_that_bioimageio_core_refuses_is_not_kept(host, package, folder, tmp_path, monkeypatch) -> None:
    from emgen.exporting import bioimageio_description

    made = bioimageio_description.make_sample

    def wrong(*words):
        sample = made(*words)
        sample.probability_HW[:] = 0.5
        return sample

    monkeypatch.setattr(bioimageio_description, "make_sample", wrong)
    with pytest.raises(ModelError, match=r"does not accept the package \(.*[Oo]utput"):
        export(folder, "bioimageio", tmp_path / "wrong.zip", host=host)
    assert not list(tmp_path.glob("wrong*"))


def test_what_must_be_installed_is_named(host, folder, tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "bioimageio.core", None)
    with pytest.raises(PreflightError, match=r"bioimageio\.core must be installed.*'emgen\[bioimageio\]'"):
        export(folder, "bioimageio", tmp_path / "m.zip", host=host)


def test_the_percentiles_of_a_normalisation_are_measured() -> None:
    from emgen.testing.fake_stages import normalise as other

    assert percentiles_of(normalise) == (LOW, HIGH)
    assert percentiles_of(other) == (0.5, 99.5)


@pytest.mark.parametrize(
    "function",
    [
        exportable.gamma,
        lambda image: np.zeros(image.shape, np.float32),
        lambda image: (1 - (image - image.min()) / np.ptp(image)).astype(np.float32),
        lambda image: ((image - image.mean()) / (4 * image.std()) + 0.5).clip(0, 1).astype(np.float32),
    ],
    ids=["curve", "constant", "inverting", "by mean and deviation"],
)
def test_a_normalisation_that_is_no_line_between_percentiles_has_none(function) -> None:
    assert percentiles_of(function) is None

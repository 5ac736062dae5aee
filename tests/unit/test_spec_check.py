"""What keeps a spec from running is found before it runs, all of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spec_plugins
from click.testing import CliRunner

from emgen.cli import main
from emgen.errors import DataError, NoImagesError, PluginError, PreflightError, SpecError
from emgen.host import Host, use_host
from emgen.spec import load_spec
from emgen.spec.check import Checked, check_spec
from emgen.testing import fakes


@pytest.fixture(scope="module")
def host() -> Host:
    return Host.from_modules([fakes, spec_plugins])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for index in range(3):
        image = np.random.default_rng(index).integers(0, 4000, (40, 50 + index)).astype(np.uint16)
        np.save(tmp_path / f"m{index}.npy", image)
    (tmp_path / "spec.yaml").write_text("images: '*.npy'\nmodality: test-stem\ndevice: cpu\n")
    return tmp_path


def check(folder: Path, host: Host, *overrides: str, **more: Any) -> Checked:
    return check_spec(load_spec(folder / "spec.yaml", overrides, host), host, lambda wanted: "cpu", **more)


def test_a_good_spec_has_no_obstacles_and_its_micrographs_are_known(folder: Path, host: Host) -> None:
    checked = check(folder, host).require()
    assert [m.shape_HW for m in checked.micrographs] == [(40, 50), (40, 51), (40, 52)]
    assert {m.native_dtype for m in checked.micrographs} == {"uint16"}
    assert any("sizes" in note for note in checked.notes)


def test_every_obstacle_is_found_not_only_the_first(folder: Path, host: Host) -> None:
    (folder / "m1.npy").write_bytes(b"no array")
    np.save(folder / "m2.npy", np.zeros((30, 30)))
    overrides = ["images=['*.npy', 'nothing/*.npy']", "contrast_gan=failing", "metrics=[fake-metric, fake-iou]"]
    checked = check(folder, host, *overrides)
    assert [o.field for o in checked.obstacles] == ["images", "images", "images", "contrast_gan", "metrics.1"]
    with pytest.raises(PreflightError) as caught:
        checked.require()
    for part in ("nothing/*.npy", "m1.npy", "m2.npy", "no weights for cpu", "emgen evaluate"):
        assert part in str(caught.value)


def test_obstacles_of_one_kind_keep_their_type(folder: Path, host: Host) -> None:
    with pytest.raises(NoImagesError, match="nothing"):
        check(folder, host, "images=nothing").require()
    with pytest.raises(SpecError, match=r"metrics\.0.*true masks"):
        check(folder, host, "metrics=[fake-iou]").require()


def test_paired_metrics_need_held_out_micrographs(folder: Path, host: Host) -> None:
    with pytest.raises(SpecError, match=r"metrics\.1.*split\.held_out is 0"):
        check(folder, host, "split.held_out=0").require()
    check(folder, host, "split.held_out=0", "metrics=[fake-metric]").require()


def test_a_crashing_preflight_names_plugin_and_distribution(folder: Path, host: Host) -> None:
    with pytest.raises(PluginError, match=r'"crashing" of spec_plugins.*ZeroDivisionError: oops'):
        check(folder, host, "contrast_gan=crashing").require()


def test_an_implementation_that_cannot_be_imported_is_found_when_asked_for(folder: Path, host: Host) -> None:
    check(folder, host, "contrast_gan=no-code").require()
    with pytest.raises(PluginError, match="no_such_module"):
        check(folder, host, "contrast_gan=no-code", implementations=True).require()


def test_simulated_weights_can_be_refused(folder: Path, host: Host) -> None:
    check(folder, host).require()
    with pytest.raises(PreflightError, match=r"contrast_gan: \"gan\" brings weights.*fake-contrast"):
        check(folder, host, "allow_simulated_weights=false").require()
    check(folder, host, "allow_simulated_weights=false", "contrast_gan.start=nothing").require()
    with pytest.raises(PreflightError, match=r"metrics\.0"):
        check(folder, host, "allow_simulated_weights=false", "contrast_gan.start=x", "metrics=[simulated]").require()


@pytest.mark.parametrize("overrides", [["split.subset1=4"], ["split.by=micrograph", "split.subset1=2"]])
def test_fewer_micrographs_than_the_split_needs_are_refused(overrides: list[str], folder: Path, host: Host) -> None:
    with pytest.raises(NoImagesError, match=r"split.*there are 3"):
        check(folder, host, *overrides).require()


def test_a_device_that_is_not_there_is_one_of_the_obstacles(folder: Path, host: Host) -> None:
    def none(wanted: str) -> str:
        raise PreflightError(f"device: {wanted} is not there.")

    checked = check_spec(load_spec(folder / "spec.yaml", ["contrast_gan=failing"], host), host, none)
    assert [o.field for o in checked.obstacles] == ["device", "contrast_gan"]


def test_constant_images_are_all_named(folder: Path, host: Host) -> None:
    for index in range(2):
        np.save(folder / f"m{index}.npy", np.ones((30, 30)))
    with pytest.raises(DataError, match=r"(?s)m0\.npy.*m1\.npy"):
        check(folder, host).require()


def test_validate_shows_what_will_run(folder: Path, host: Host) -> None:
    with use_host(host):
        done = CliRunner().invoke(main, ["validate", str(folder / "spec.yaml"), "--set", "contrast_gan.steps=77"])
    assert done.exit_code == 0, done.output
    for part in ("3 micrographs", "uint16", "fake-segmenter", "steps=77", "emgen run"):
        assert part in done.output


def test_validate_ends_with_2_and_all_obstacles(folder: Path, host: Host) -> None:
    arguments = ["validate", str(folder / "spec.yaml"), "--set", "contrast_gan=failing", "--set", "metrics=[fake-iou]"]
    with use_host(host):
        done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 2
    assert "no weights for cpu" in done.output
    assert "true masks" in done.output

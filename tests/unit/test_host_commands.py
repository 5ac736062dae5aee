"""The command line: light until used, errors without traceback, and the plugin commands."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import click
import pytest
from click.testing import CliRunner

from emgen.cli import COMMANDS, main
from emgen.errors import StageFailedError
from emgen.host import KINDS
from emgen.testing import fakes
from emgen.testing.phantoms import phantom_stack, write_phantoms
from emgen.testing.pytest_plugin import FakeDistribution, RegisterModules

HEAVY = ("numpy", "torch", "torchvision", "zarr", "pandas", "skimage", "scipy", "matplotlib", "transformers", "rich")


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["plugins", "list"], ["plugins", "list", "--json"]])
def test_looking_around_imports_nothing_heavy(arguments: list[str]) -> None:
    code = f"""
import sys
from emgen.cli import main
try:
    main({arguments!r})
except SystemExit as end:
    assert not end.code, end.code
print("HEAVY", sorted(set(sys.modules) & set({HEAVY!r})))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "HEAVY []"


def test_a_spec_is_validated_without_torch_or_tables(tmp_path: Path) -> None:
    write_phantoms(tmp_path / "images", phantom_stack(4, (128, 128), seed=3, diameter=14.0))
    (tmp_path / "spec.yaml").write_text("images: images/*.tif\nmodality: haadf-stem\n")
    heavy = {*HEAVY, "albumentations", "cv2", "pyarrow", "segmentation_models_pytorch", "timm"} - {"numpy", "rich"}
    code = f"""
import sys
from emgen.cli import main
try:
    main(["validate", {str(tmp_path / "spec.yaml")!r}])
except SystemExit as end:
    assert not end.code, end.code
print("HEAVY", sorted(set(sys.modules) & {heavy!r}))
"""
    environ = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environ)
    assert done.stdout.splitlines()[-1] == "HEAVY []"


@pytest.mark.parametrize("arguments", [["--help"], ["plugins", "list"]])
def test_looking_around_takes_half_a_second(arguments: list[str]) -> None:
    def seconds() -> float:
        before = os.times()
        subprocess.run([sys.executable, "-m", "emgen", *arguments], capture_output=True, check=True)
        after = os.times()
        # Processor time of the child: the clock on the wall also counts whatever else the machine does.
        return (after.children_user - before.children_user) + (after.children_system - before.children_system)

    assert min(seconds() for _ in range(3)) < 0.5


def test_help_lists_every_command_with_its_line_and_imports_none() -> None:
    for name in COMMANDS:
        sys.modules.pop(f"emgen.cli.{name}", None)
    shown = CliRunner().invoke(main, ["--help"])
    for name, text in COMMANDS.items():
        assert f"  {name} " in shown.output
        assert text in shown.output
    assert not [name for name in COMMANDS if f"emgen.cli.{name}" in sys.modules]


def test_emgen_without_arguments_shows_the_help() -> None:
    assert "plugins" in CliRunner().invoke(main, []).output


def test_python_m_emgen_works() -> None:
    done = subprocess.run([sys.executable, "-m", "emgen", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("emgen, version ")


def test_an_unknown_command_is_refused_with_status_2() -> None:
    done = CliRunner().invoke(main, ["rnu"])
    assert done.exit_code == 2
    assert "No such command 'rnu'" in done.stderr


def run_command_that_raises(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a command in the place of ``emgen run``."""
    module = ModuleType("emgen.cli.run")

    @click.command("run")
    def command() -> None:
        raise error

    module.command = command  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "emgen.cli.run", module)


def test_an_error_made_for_users_ends_with_its_text_and_its_status(monkeypatch: pytest.MonkeyPatch) -> None:
    run_command_that_raises(StageFailedError("contrast_gan failed; run again to resume"), monkeypatch)
    done = CliRunner().invoke(main, ["run"])
    assert done.exit_code == 1
    assert done.stderr == "Error: contrast_gan failed; run again to resume\n"
    assert done.stdout == ""


def test_any_other_error_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    run_command_that_raises(ZeroDivisionError("a mistake of emgen's own"), monkeypatch)
    assert isinstance(CliRunner().invoke(main, ["run"]).exception, ZeroDivisionError)


def test_list_has_every_kind_and_marks_the_empty_ones(emgen_host: RegisterModules) -> None:
    emgen_host(fakes)
    output = CliRunner().invoke(main, ["plugins", "list"]).output
    for info in KINDS.values():
        assert info.plural.lower() in output.lower()
    assert "fake-morphology" in output
    assert "Broken" not in output


def test_show_lists_settings_with_type_default_and_description(emgen_host: RegisterModules) -> None:
    emgen_host(fakes)
    output = CliRunner().invoke(main, ["plugins", "show", "downstream_task/fake-task"]).output
    assert "sharpness: float" in output
    assert "= 8.0" in output
    assert "Slope of the curve" in output
    assert "emgen.testing.fake_stages:LogisticThreshold" in output


def test_show_finds_a_plugin_by_its_name_alone_in_every_slot() -> None:
    output = CliRunner().invoke(main, ["plugins", "show", "npssegnet"]).output
    assert "downstream_task/npssegnet" in output
    assert "preset quick" in output


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("fake-tsk", 'Did you mean "fake-task"?'),
        ("downstream-task/fake-tsk", 'Did you mean "fake-task"?'),
        ("downstream/fake-task", 'There is no kind "downstream". Did you mean "downstream_task"?'),
    ],
)
def test_show_of_an_unknown_name_helps(emgen_host: RegisterModules, name: str, text: str) -> None:
    emgen_host(fakes)
    done = CliRunner().invoke(main, ["plugins", "show", name])
    assert done.exit_code == 2
    assert text in done.stderr


def test_check_reports_each_check_and_ends_with_0(emgen_host: RegisterModules) -> None:
    emgen_host(fakes)
    done = CliRunner().invoke(main, ["plugins", "check", "fake-segmenter"])
    assert done.exit_code == 0
    assert "passed  it takes one image that is not square" in done.output
    assert "0 failed" in done.output


def test_check_ends_with_1_where_a_check_fails(fake_distribution: FakeDistribution) -> None:
    source = """
        from emgen import hookimpl
        from emgen.registration import StageConfig, StagePlugin

        class Halves:
            def __init__(self, config, context):
                pass

            def segment(self, image_NHW):
                return image_NHW / 2

        @hookimpl
        def emgen_rough_segmenters():
            return [StagePlugin(name="halves", config=StageConfig, create="emgen_mine:Halves", summary="wrong")]
    """
    fake_distribution("emgen-mine", {"emgen_mine": source})
    done = CliRunner().invoke(main, ["plugins", "check", "emgen-mine"])
    assert done.exit_code == 1
    assert "failed  it returns instances of the images shape" in done.output
    assert "segment(3 images) is float32, it must be int32" in done.output


def test_check_of_a_broken_module_says_why_and_ends_with_1(fake_distribution: FakeDistribution) -> None:
    fake_distribution("emgen-mine", {"emgen_mine": "1 / 0"})
    done = CliRunner().invoke(main, ["plugins", "check", "emgen_mine"])
    assert done.exit_code == 1
    assert "FAILED  emgen-mine 1.0 (emgen_mine) failed at import: ZeroDivisionError" in done.output

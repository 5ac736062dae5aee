"""Which plugins load is decided before any is imported."""

from __future__ import annotations

import sys

import pytest
from click.testing import CliRunner

from emgen.cli import main
from emgen.errors import UnknownPluginError
from emgen.host import load_host, without_plugins
from emgen.testing.pytest_plugin import FakeDistribution

SOURCE = """
    from emgen import hookimpl
    from emgen.registration import StageConfig, StagePlugin

    @hookimpl
    def emgen_rough_segmenters():
        return [StagePlugin(name=__name__.replace("_", "-"), config=StageConfig, create="m:C", summary="third party")]
"""


@pytest.fixture(autouse=True)
def two_distributions(fake_distribution: FakeDistribution) -> None:
    fake_distribution("emgen-one", {"first_module": SOURCE})
    fake_distribution("emgen-two", {"second_module": SOURCE})


def third_parties() -> set[str]:
    return {name for name, item in load_host().plugins("rough_segmenter").items() if item.distribution != "emgen"}


def defaults() -> set[str]:
    return {name for name, item in load_host().plugins("downstream_task").items() if item.distribution == "emgen"}


def test_all_load_by_default() -> None:
    assert third_parties() == {"first-module", "second-module"}


def test_no_plugins_leaves_emgens_own_and_imports_nothing_else() -> None:
    sys.modules.pop("first_module", None)
    listed = CliRunner().invoke(main, ["--no-plugins", "plugins", "list"])
    assert listed.exit_code == 0
    assert "first-module" not in listed.output
    assert "npssegnet" in listed.output
    assert "first_module" not in sys.modules


def test_no_plugins_ends_with_the_command() -> None:
    CliRunner().invoke(main, ["--no-plugins", "plugins", "list"])
    assert third_parties() == {"first-module", "second-module"}


def test_no_plugins_is_named_in_the_error_for_an_unknown_plugin() -> None:
    with without_plugins(), pytest.raises(UnknownPluginError, match=r"Third-party plugins are off \(--no-plugins\)"):
        load_host().find("rough_segmenter", "first-module")


@pytest.mark.parametrize("name", ["emgen-one", "Emgen_One", "first_module", "emgen-one, "])
def test_emgen_plugins_names_distributions_or_modules(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("EMGEN_PLUGINS", name)
    assert third_parties() == {"first-module"}
    assert "npssegnet" in defaults()


def test_emgen_plugins_takes_several(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMGEN_PLUGINS", "emgen-one,second_module")
    assert third_parties() == {"first-module", "second-module"}


def test_a_plugin_left_out_is_never_imported(
    fake_distribution: FakeDistribution, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_distribution("emgen-broken", {"emgen_broken": "1 / 0"})
    monkeypatch.setenv("EMGEN_PLUGINS", "emgen-one")
    assert "emgen-broken" not in {failure.distribution for failure in load_host().failures}


def test_a_misspelt_name_in_emgen_plugins_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMGEN_PLUGINS", "emgen-oen")
    (failure,) = (f for f in load_host().failures if f.phase == "find")
    assert failure.distribution == "emgen-oen"
    assert 'Did you mean "emgen-one"?' in failure.error_text


def test_the_variable_is_named_in_the_error_for_an_unknown_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMGEN_PLUGINS", "emgen-one")
    with pytest.raises(UnknownPluginError, match="EMGEN_PLUGINS allows only emgen's own and emgen-one"):
        load_host().find("rough_segmenter", "second-module")

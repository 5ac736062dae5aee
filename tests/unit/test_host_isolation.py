"""A broken plugin is survived: it registers nothing, stops nothing, and is listed with its cause."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from emgen.cli import main
from emgen.errors import PluginError
from emgen.host import PluginFailure, load_host
from emgen.testing.pytest_plugin import FakeDistribution

REGISTERS = """
    from emgen import hookimpl
    from emgen.registration import MetricPlugin, StageConfig, StagePlugin
    class Config(StageConfig):
        threshold: float = 0.5
    def plugin(name="mine", **changes):
        values = dict(name=name, config=Config, create="emgen_mine.impl:Thing", summary="a segmenter")
        return StagePlugin(**{**values, **changes})
"""

BROKEN = {
    "import error": ("import a_library_that_is_not_there", "import", "No module named 'a_library_that_is_not_there'"),
    "exit at import": ("import sys; sys.exit('no licence')", "import", "SystemExit: no licence"),
    "syntax error": ("def emgen_readers(:", "import", "line 1"),
    "hook raises": (
        REGISTERS + "    @hookimpl\n    def emgen_rough_segmenters(): return [1 / 0]",
        "hooks",
        "ZeroDivisionError",
    ),
    "hook exits": (
        REGISTERS + "    @hookimpl\n    def emgen_rough_segmenters(): raise SystemExit(4)",
        "hooks",
        "SystemExit: 4",
    ),
    "generator raises half way": (
        REGISTERS
        + "    @hookimpl\n    def emgen_rough_segmenters():\n        yield plugin()\n        raise OSError('x')",
        "hooks",
        "OSError: x",
    ),
    "hook returns no list": (
        REGISTERS + "    @hookimpl\n    def emgen_rough_segmenters(): return plugin()",
        "hooks",
        "must return a list of plugins",
    ),
    "hook returns another type": (
        REGISTERS + "    @hookimpl\n    def emgen_rough_segmenters(): return ['mine']",
        "validate",
        "'mine', which is not a StagePlugin",
    ),
    "unknown hook": (
        REGISTERS + "    @hookimpl\n    def emgen_rough_segmenter(): return [plugin()]",
        "register",
        'the hook "emgen_rough_segmenter", which emgen does not have. Did you mean "emgen_rough_segmenters"?',
    ),
    "hook with arguments": (
        REGISTERS + "    @hookimpl\n    def emgen_rough_segmenters(host): return [plugin()]",
        "register",
        "host",
    ),
    "no hook": (REGISTERS, "register", "it implements no hook"),
    "clashing name": (
        REGISTERS + "    @hookimpl\n    def emgen_downstream_tasks(): return [plugin('npssegnet')]",
        "names",
        '"npssegnet" of emgen-mine 1.0 is already registered by emgen ',
    ),
    "same name twice": (
        REGISTERS + "    @hookimpl\n    def emgen_rough_segmenters(): return [plugin(), plugin()]",
        "names",
        "already registered by emgen-mine 1.0",
    ),
    "bad name": (
        REGISTERS + "    @hookimpl\n    def emgen_rough_segmenters(): return [plugin('My_Plugin')]",
        "validate",
        "'My_Plugin' is not in kebab-case",
    ),
    "config is no StageConfig": (
        REGISTERS + "    @hookimpl\n    def emgen_rough_segmenters(): return [plugin(config=dict)]",
        "validate",
        "plugin \"mine\": config is <class 'dict'>, it must be a subclass of emgen.registration.StageConfig",
    ),
    "create is no target": (
        REGISTERS + "    @hookimpl\n    def emgen_rough_segmenters(): return [plugin(create='emgen_mine.impl.Thing')]",
        "validate",
        'of the form "package.module:attribute"',
    ),
    "metric in another slot": (
        REGISTERS
        + "    @hookimpl\n    def emgen_rough_segmenters():\n"
        + "        return [MetricPlugin(name='m', config=Config, create='m:C', summary='', needs='paired')]",
        "validate",
        "which is not a StagePlugin",
    ),
}


@pytest.mark.parametrize(("source", "phase", "cause"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_plugin_is_listed_with_its_cause(
    fake_distribution: FakeDistribution, source: str, phase: str, cause: str
) -> None:
    fake_distribution("emgen-mine", {"emgen_mine": source})
    listed = CliRunner().invoke(main, ["plugins", "list"])
    assert listed.exit_code == 0
    assert f"emgen-mine 1.0 (emgen_mine) failed at {phase}: " in listed.output
    assert cause in listed.output
    assert "fake-good" not in listed.output


@pytest.mark.parametrize(("source", "phase", "cause"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_plugin_stops_no_other(
    fake_distribution: FakeDistribution, source: str, phase: str, cause: str
) -> None:
    good = REGISTERS + "    @hookimpl\n    def emgen_rough_segmenters(): return [plugin('good')]"
    fake_distribution("emgen-mine", {"emgen_mine": source})
    fake_distribution("emgen-zz-good", {"emgen_zz_good": good})
    host = load_host()
    assert host.find("rough_segmenter", "good").distribution == "emgen-zz-good"
    assert "mine" not in host.plugins("rough_segmenter")
    assert [f.phase for f in host.failures if f.distribution == "emgen-mine"] == [phase]


def test_nothing_of_a_module_is_committed_when_one_of_its_plugins_is_wrong(fake_distribution: FakeDistribution) -> None:
    source = REGISTERS + (
        "    @hookimpl\n    def emgen_rough_segmenters(): return [plugin('right')]\n"
        "    @hookimpl\n    def emgen_mask_samplers(): return [plugin('right'), plugin('WRONG')]"
    )
    fake_distribution("emgen-mine", {"emgen_mine": source})
    host = load_host()
    assert "right" not in host.plugins("rough_segmenter")
    assert "right" not in host.plugins("mask_sampler")


def test_of_two_third_parties_with_one_name_the_later_by_distribution_name_fails(
    fake_distribution: FakeDistribution,
) -> None:
    source = REGISTERS + "    @hookimpl\n    def emgen_rough_segmenters(): return [plugin('wanted')]"
    fake_distribution("emgen-b", {"emgen_b": source})
    fake_distribution("emgen-a", {"emgen_a": source})
    host = load_host()
    assert host.find("rough_segmenter", "wanted").distribution == "emgen-a"
    (failure,) = (f for f in host.failures if f.distribution.startswith("emgen-"))
    assert "of emgen-b 1.0 is already registered by emgen-a 1.0 (emgen_a)" in failure.error_text


def test_keyboard_interrupt_passes_through(fake_distribution: FakeDistribution) -> None:
    fake_distribution("emgen-mine", {"emgen_mine": "raise KeyboardInterrupt"})
    with pytest.raises(KeyboardInterrupt):
        load_host()


def test_an_entry_of_another_contract_is_reported(fake_distribution: FakeDistribution) -> None:
    fake_distribution("emgen-old", {"emgen_old": "raise OSError"}, group="emgen.plugins.v0")
    (failure,) = (f for f in load_host().failures if f.distribution == "emgen-old")
    assert failure.phase == "contract"
    assert '"emgen.plugins.v0", this emgen reads "emgen.plugins"' in failure.error_text


def test_unreadable_metadata_is_reported(fake_distribution: FakeDistribution) -> None:
    folder = fake_distribution("emgen-mine", {"emgen_mine": ""})
    (folder / "emgen_mine-1.0.dist-info" / "entry_points.txt").write_text("[emgen.plugins]\nno equals sign\n")
    (failure,) = (f for f in load_host().failures if f.distribution == "emgen-mine")
    assert failure.phase == "metadata"


def test_the_cause_says_where_in_the_plugin_it_happened(fake_distribution: FakeDistribution) -> None:
    folder = fake_distribution("emgen-mine", {"emgen_mine": "x = 1\ny = {}['key']"})
    (failure,) = (f for f in load_host().failures if f.distribution == "emgen-mine")
    assert failure.error_text == f"KeyError: 'key' ({folder / 'emgen_mine.py'}, line 2)"


def test_the_json_list_holds_plugins_and_failures(fake_distribution: FakeDistribution) -> None:
    fake_distribution("emgen-mine", {"emgen_mine": "1 / 0"})
    listed = json.loads(CliRunner().invoke(main, ["plugins", "list", "--json"]).output)
    failure = next(f for f in listed["failures"] if f["distribution"] == "emgen-mine")
    assert set(failure) == set(PluginFailure.__dataclass_fields__)
    assert {"kind", "name", "summary", "distribution", "version", "module", "editable"} <= set(listed["plugins"][0])


def test_strict_plugins_raise_the_failure(fake_distribution: FakeDistribution, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_distribution("emgen-mine", {"emgen_mine": "1 / 0"})
    monkeypatch.setenv("EMGEN_STRICT_PLUGINS", "1")
    monkeypatch.setenv("EMGEN_PLUGINS", "emgen-mine")
    with pytest.raises(PluginError, match=r"emgen-mine 1\.0 \(emgen_mine\) failed at import: ZeroDivisionError"):
        load_host()
    shown = CliRunner().invoke(main, ["plugins", "list"])
    assert shown.exit_code == 2
    assert shown.stderr.startswith("Error: emgen-mine 1.0")

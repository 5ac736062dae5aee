"""The host: what is installed is found, in order, and answers by name."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from types import ModuleType

import pytest

from emgen import hookimpl
from emgen.errors import PluginError, UnknownPluginError
from emgen.host import KINDS, Host, Selection, load_host, use_host
from emgen.registration import MetricPlugin, StageConfig, StagePlugin
from emgen.testing import fakes
from emgen.testing.fakes import SegmenterConfig
from emgen.testing.pytest_plugin import FakeDistribution, RegisterModules

SEGMENTER = """
    from emgen import hookimpl
    from emgen.registration import StageConfig, StagePlugin

    class Config(StageConfig):
        threshold: float = 0.5

    @hookimpl
    def emgen_rough_segmenters():
        return [StagePlugin(name="{name}", config=Config, create="{create}", summary="a segmenter")]
"""


def segmenter(name: str, create: str = "emgen.testing.fake_stages:OtsuSegmenter") -> str:
    return SEGMENTER.format(name=name, create=create)


def test_an_installed_distribution_is_found_with_its_origin(fake_distribution: FakeDistribution) -> None:
    fake_distribution("emgen-mine", {"emgen_mine": segmenter("mine")}, version="2.1")
    found = load_host().find("rough_segmenter", "mine")
    assert (found.distribution, found.version, found.module) == ("emgen-mine", "2.1", "emgen_mine")
    assert (found.plugin.name, found.kind, found.editable) == ("mine", "rough_segmenter", False)


def test_an_editable_distribution_is_known_as_such(fake_distribution: FakeDistribution) -> None:
    fake_distribution("emgen-mine", {"emgen_mine": segmenter("mine")}, editable=True)
    assert load_host().find("rough_segmenter", "mine").editable


def test_the_hosts_answer_is_sorted_by_name_whatever_the_distributions_are_called(
    fake_distribution: FakeDistribution,
) -> None:
    fake_distribution("emgen-a", {"emgen_a": segmenter("zz-last")})
    fake_distribution("emgen-b", {"emgen_b": segmenter("aa-first")})
    names = list(load_host().plugins("rough_segmenter"))
    assert names == sorted(names)
    assert {"aa-first", "zz-last"} <= set(names)


def test_the_host_is_loaded_once_per_process() -> None:
    assert load_host() is load_host()


def test_a_distribution_found_twice_on_the_path_is_loaded_once(
    fake_distribution: FakeDistribution, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = fake_distribution("emgen-mine", {"emgen_mine": segmenter("mine")}, version="1.0")
    new = old.parent / "newer"
    (new / "Emgen_Mine-2.0.dist-info").mkdir(parents=True)
    text = (old / "emgen_mine-1.0.dist-info" / "entry_points.txt").read_text()
    (new / "Emgen_Mine-2.0.dist-info" / "entry_points.txt").write_text(text)
    (new / "Emgen_Mine-2.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: Emgen.Mine\nVersion: 2.0\n"
    )
    monkeypatch.syspath_prepend(str(new))
    host = load_host()
    assert host.find("rough_segmenter", "mine").version == "2.0"
    assert "emgen-mine" not in {failure.distribution for failure in host.failures}


def test_an_unknown_name_lists_what_is_installed_and_the_nearest(emgen_host: RegisterModules) -> None:
    with pytest.raises(UnknownPluginError) as caught:
        emgen_host(fakes).find("contrast_gan", "fake-contrst")
    assert 'contrast_gan: there is no contrast GAN "fake-contrst"' in str(caught.value)
    assert 'Did you mean "fake-contrast"? Installed: fake-contrast.' in str(caught.value)


def test_a_name_in_the_wrong_slot_says_which_slot_it_is_for(emgen_host: RegisterModules) -> None:
    with pytest.raises(UnknownPluginError, match='"fake-task" is a downstream task'):
        emgen_host(fakes).find("contrast_gan", "fake-task")


def test_an_unknown_name_names_a_broken_distribution_that_may_hold_it(fake_distribution: FakeDistribution) -> None:
    fake_distribution("emgen-broken", {"emgen_broken": "import a_library_that_is_not_there"})
    with pytest.raises(UnknownPluginError) as caught:
        load_host().find("rough_segmenter", "broken")
    assert "Installed but broken, may hold it: emgen-broken 1.0 (emgen_broken) failed at import" in str(caught.value)
    assert "No module named 'a_library_that_is_not_there'" in str(caught.value)


def test_create_hands_settings_and_context_to_the_implementation(emgen_host: RegisterModules) -> None:
    made = emgen_host(fakes).find("rough_segmenter", "fake-segmenter").create(SegmenterConfig(min_area=7))
    assert made.min_area == 7


@pytest.mark.parametrize(
    ("create", "cause"),
    [
        ("emgen_mine_is_missing.module:Thing", "No module named 'emgen_mine_is_missing'"),
        ("emgen.testing.fake_stages:NoSuchClass", "has no attribute 'NoSuchClass'"),
        ("emgen.host.kinds:KINDS", "not callable"),
    ],
)
def test_a_missing_implementation_is_found_when_it_is_used_and_names_its_distribution(
    fake_distribution: FakeDistribution, create: str, cause: str
) -> None:
    fake_distribution("emgen-mine", {"emgen_mine": segmenter("mine", create)})
    found = load_host().find("rough_segmenter", "mine")
    with pytest.raises(PluginError) as caught:
        found.load()
    assert 'rough segmenter "mine" of emgen-mine 1.0' in str(caught.value)
    assert cause in str(caught.value)


def test_a_preflight_runs_with_the_settings_and_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    module = ModuleType("checks_at_hand")
    module.look = lambda config, device: seen.append((config, device))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "checks_at_hand", module)
    plugin = StagePlugin(name="mine", config=StageConfig, create="m:C", summary="", preflight="checks_at_hand:look")
    host = Host.from_modules([with_hook("emgen_rough_segmenters", [plugin])])
    host.find("rough_segmenter", "mine").preflight(StageConfig(), "cuda")
    assert seen == [(StageConfig(), "cuda")]


def with_hook(hook: str, returned: object) -> object:
    """An object whose one hook returns ``returned``."""
    module = ModuleType("in_memory")
    setattr(module, hook, hookimpl(lambda: returned, specname=hook))
    return module


def test_modules_in_memory_are_strict_unless_told_otherwise() -> None:
    wrong = with_hook("emgen_metrics", [1])
    with pytest.raises(PluginError, match="not a MetricPlugin"):
        Host.from_modules([wrong])
    assert len(Host.from_modules([wrong], strict=False).failures) == 1


@pytest.mark.parametrize(
    ("fields", "refused"),
    [
        ({"headline": "score"}, 'better is None, it must be beside a headline "lower" or "higher"'),
        ({"headline": "score", "better": "smaller"}, "better is 'smaller'"),
        ({"better": "lower"}, "it must be None where there is no headline"),
        ({"headline": "", "better": "lower"}, "headline is ''"),
    ],
)
def test_a_metric_names_its_main_score_and_which_way_it_is_better_or_neither(
    fields: dict[str, str], refused: str
) -> None:
    plugin = MetricPlugin(name="mine", config=StageConfig, create="m:C", summary="", needs="paired", **fields)  # type: ignore[arg-type]
    with pytest.raises(PluginError, match=refused):
        Host.from_modules([with_hook("emgen_metrics", [plugin])])


def test_a_host_can_stand_in_for_the_installed_one() -> None:
    host = Host.from_modules([fakes])
    with use_host(host):
        assert load_host() is host
    assert load_host() is not host


class Watcher:
    """An observer that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int]] = []

    @hookimpl
    def emgen_stage_logged(self, stage: str, step: int) -> None:
        self.told.append((stage, step))


class FailingWatcher:
    @hookimpl
    def emgen_stage_logged(self, stage: str) -> None:
        raise SystemExit(3)


def test_observers_are_told_with_the_arguments_they_ask_for() -> None:
    watcher = Watcher()
    host = Host.from_modules([watcher])
    host.notify("emgen_stage_logged", run=Path("run"), stage="contrast_gan", step=4, values={"loss": 0.1})
    assert watcher.told == [("contrast_gan", 4)]
    assert host.observers.emgen_stage_logged.get_hookimpls()


def test_a_failing_observer_is_logged_once_and_the_others_are_still_told(caplog: pytest.LogCaptureFixture) -> None:
    first, last = Watcher(), Watcher()
    host = Host.from_modules([first, FailingWatcher(), last])
    with caplog.at_level(logging.WARNING):
        for step in range(3):
            host.notify("emgen_stage_logged", run=Path("run"), stage="s", step=step, values={})
    assert first.told == last.told == [("s", 0), ("s", 1), ("s", 2)]
    assert len(caplog.records) == 1
    assert "SystemExit: 3" in caplog.text


def test_every_kind_has_a_hook_of_its_own() -> None:
    assert len({info.hook for info in KINDS.values()}) == len(KINDS) == 8


def test_an_empty_variable_counts_as_unset() -> None:
    assert Selection.current({"EMGEN_PLUGINS": "", "EMGEN_STRICT_PLUGINS": "0"}) == Selection()

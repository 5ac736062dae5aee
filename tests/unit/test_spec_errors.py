"""What a wrong spec is told: every problem, each with its field, cause and way out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import spec_plugins
from pydantic import Field

import emgen
from emgen.errors import SpecError
from emgen.host import Host, load_host
from emgen.registration import StageConfig, StagePlugin
from emgen.spec import InvalidSpecError, load_spec
from emgen.testing import fakes
from emgen.testing.pytest_plugin import FakeDistribution

BASIC = {"images": ["raw/*.tif"], "modality": "test-stem"}


@pytest.fixture(scope="module")
def host() -> Host:
    return Host.from_modules([fakes, spec_plugins])


def problems(source: Any, host: Host, *overrides: str) -> dict[str, str]:
    """What the error says, by field."""
    with pytest.raises(InvalidSpecError) as caught:
        load_spec(source, overrides, host)
    for problem in caught.value.problems:
        assert problem.field in str(caught.value)
    return {problem.field: str(problem) for problem in caught.value.problems}


def test_all_problems_come_at_once(host: Host) -> None:
    found = problems(
        {**BASIC, "seed": -1, "data": {"crop": 100}, "contrast_gan": {"uses": "gan", "stebs": 1}, "metrics": ["fidd"]},
        host,
    )
    assert set(found) == {"seed", "data.crop", "contrast_gan.stebs", "metrics.0"}


def test_a_wrong_name_shows_slot_installed_and_nearest(host: Host) -> None:
    text = problems({**BASIC, "contrast_gan": "fake-contast"}, host)["contrast_gan"]
    assert 'Did you mean "fake-contrast"?' in text
    assert "crashing, failing, fake-contrast, gan, no-code" in text


def test_a_wrong_modality_is_told_alone_without_the_slots_it_would_fill(host: Host) -> None:
    found = problems({"images": "a", "modality": "test-sten"}, host)
    assert set(found) == {"modality"}
    assert 'Did you mean "test-stem"?' in found["modality"]


def test_a_broken_plugin_is_named_beside_the_name_it_may_hold(fake_distribution: FakeDistribution) -> None:
    fake_distribution("emgen-lost", {"emgen_lost": "raise RuntimeError('no licence')"}, version="2.5")
    with pytest.raises(InvalidSpecError) as caught:
        load_spec({"images": "a", "modality": "lost", "contrast_gan": "lost"}, host=load_host())
    text = str(caught.value)
    assert text.count("emgen-lost 2.5") == 1
    assert "no licence" in text


def test_an_unknown_setting_shows_the_plugins_settings_and_the_nearest(host: Host) -> None:
    text = problems({**BASIC, "contrast_gan": {"uses": "gan", "step": 5}}, host)["contrast_gan.step"]
    assert '"gan" has no such setting. Did you mean "steps"?' in text
    assert "loss, model, optimiser, start, steps, workers" in text


def test_an_unknown_nested_setting_shows_its_neighbours(host: Host) -> None:
    source = {**BASIC, "contrast_gan": {"uses": "gan", "optimiser": {"learning_rat": 5}}}
    assert 'Did you mean "learning_rate"?' in problems(source, host)["contrast_gan.optimiser.learning_rat"]


def test_a_field_one_level_too_high_is_shown_its_place(host: Host) -> None:
    assert 'Did you mean "data.crop"?' in problems({**BASIC, "crop": 64}, host)["crop"]
    assert 'Did you mean "modality"?' in problems({**BASIC, "modalty": "x"}, host)["modalty"]


def test_missing_fields_say_what_they_are_and_give_an_example(host: Host) -> None:
    found = problems({}, host)
    assert set(found) == {"images", "modality"}
    assert "micrographs/*.tif" in found["images"]
    assert "test-stem" in found["modality"]


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("data.crop", 100, "multiple of 32, not 100; the default is 128"),
        ("data.crop", "big", 'whole number, not "big"'),
        ("data.scale", "natve", 'Did you mean "native"'),
        ("data.pixel_size_nm", 0, "greater than 0"),
        ("split.subset1", 1.0, "fraction above 0 and below 1"),
        ("split.subset1", True, "fraction"),
        ("split.held_out", float("nan"), "finite"),
        ("name", False, "text, not false.*quotes"),
        ("images", [], "at least 1"),
        ("seed", 1.5, "whole number"),
        ("metrics", ["fake-metric", "fake-metric"], "listed twice"),
        ("rough_segmenter", None, "write a name.*fake-segmenter"),
        ("data", 3, "fields with values"),
    ],
)
def test_a_wrong_value_shows_what_would_be_right(field: str, value: object, says: str, host: Host) -> None:
    part, _, inner = field.partition(".")
    found = problems({**BASIC, part: {inner: value} if inner else value}, host)
    assert list(found) == [field]
    assert re.search(says, found[field])


def test_problems_say_where_the_value_was_set(tmp_path: Path, host: Host) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text("images: a\nmodality: test-stem\ndata:\n  crop: 3\nmetrics:\n  - fake-metric\n  - nope\n")
    found = problems(path, host, "contrast_gan.steps=0")
    assert "(line 4)" in found["data.crop"]
    assert "(line 7)" in found["metrics.1"]
    assert "(--set contrast_gan.steps=0)" in found["contrast_gan.steps"]


def test_a_default_that_is_wrong_here_names_its_origin(host: Host) -> None:
    alone = Host.from_modules([spec_plugins])
    found = problems(BASIC, alone)
    assert 'default of modality "test-stem"' in found["rough_segmenter"]


def test_unusable_settings_of_one_plugin_leave_the_others_alone() -> None:
    class Odd(StageConfig):
        value: NoSuchName = Field(3)  # type: ignore[name-defined]  # noqa: F821

    class Module:
        @staticmethod
        @emgen.hookimpl
        def emgen_contrast_gans() -> list[StagePlugin]:
            return [StagePlugin(name="odd", config=Odd, create="a.b:C", summary="s")]

    host = Host.from_modules([fakes, spec_plugins, Module])
    assert load_spec(BASIC, host=host).contrast_gan.uses == "gan"
    assert "NoSuchName" in problems({**BASIC, "contrast_gan": "odd"}, host)["contrast_gan"]


FILES = {
    "tab.yaml": ("images: a\n\tmodality: b\n", "line 2.*spaces, not tabs"),
    "open.yaml": ("images: [a, b\nmodality: c\n", "open.yaml, line 2, column 9: not valid YAML"),
    "twice.yaml": ("images: a\ndata:\n  crop: 64\n  crop: 32\n", r'line 4: "data.crop" is written twice.*line 3'),
    "number.yaml": ("1: a\n", "line 1: the field name '1' is not text"),
    "list.yaml": ("- a\n- b\n", "not a list"),
    "empty.yaml": ("# nothing\n", "empty.*emgen init"),
    "bad.json": ('{"images": "a",}', "bad.json, line 1, column .*not valid JSON"),
    "twice.json": ('{"images": "a", "images": "b"}', '"images" is written twice'),
    "bad.toml": ("images = \n", "not valid TOML.*line 1"),
    "tag.yaml": ("images: !!python/object:os.system a\n", "line 1.*not valid YAML"),
    "spec.txt": ("images: a\n", r'\.yaml.*not in "\.txt"'),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_cannot_be_read_is_told_where_and_why(name: str, tmp_path: Path, host: Host) -> None:
    text, says = FILES[name]
    (tmp_path / name).write_text(text)
    with pytest.raises(SpecError) as caught:
        load_spec(tmp_path / name, host=host)
    assert re.search(says, str(caught.value), re.DOTALL)
    assert name in str(caught.value)


def test_a_missing_file_shows_the_nearest_one(tmp_path: Path, host: Host) -> None:
    (tmp_path / "haadf.yaml").write_text("")
    with pytest.raises(SpecError, match=r'no such file\. Did you mean "haadf\.yaml"\?'):
        load_spec(tmp_path / "hadf.yaml", host=host)
    with pytest.raises(SpecError, match=r"is a folder.*haadf\.yaml"):
        load_spec(tmp_path, host=host)


def test_a_file_that_is_not_text_is_refused(tmp_path: Path, host: Host) -> None:
    (tmp_path / "spec.yaml").write_bytes(b"\xff\xfe\x00\xd8")
    with pytest.raises(SpecError, match="not UTF-8"):
        load_spec(tmp_path / "spec.yaml", host=host)


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("data.crop", "field=value"),
        ("=3", "field=value"),
        ("data..crop=3", "field=value"),
        ("metrics=[a", "not valid YAML"),
        ("metrics.fake-metrik.x=3", 'no entry "fake-metrik". Did you mean "fake-metric"'),
        ("metrics.7=a", "There are"),
        ("seed.x=3", "seed is 5 and has no fields"),
    ],
)
def test_a_wrong_set_is_shown_as_it_was_written(override: str, says: str, host: Host) -> None:
    with pytest.raises(SpecError) as caught:
        load_spec({**BASIC, "seed": 5}, [override], host)
    assert f"--set {override}" in str(caught.value)
    assert says in str(caught.value)

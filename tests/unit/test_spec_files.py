"""The files that emgen writes about specs: the commented spec and the JSON schema."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import spec_plugins
import yaml
from click.testing import CliRunner

from emgen.cli import main
from emgen.errors import UnknownPluginError
from emgen.host import Host, load_host, use_host
from emgen.spec import Spec, load_spec
from emgen.spec.model import Part
from emgen.spec.schema import spec_schema
from emgen.spec.template import init_spec
from emgen.testing import fakes


@pytest.fixture(scope="module")
def host() -> Host:
    return Host.from_modules([fakes, spec_plugins])


def uncommented(text: str) -> str:
    """Every shown setting in effect: the comments that hold ``name: value`` become lines."""
    return re.sub(r"(?m)^(\s*)# (?!uses)(\w+: )", r"\1\2", text)


@pytest.mark.parametrize("preset", ["quick", "paper"])
@pytest.mark.parametrize("modality", ["haadf-stem", "bf-tem"])
def test_the_unedited_spec_is_the_modality_with_its_defaults(modality: str, preset: str, tmp_path: Path) -> None:
    host = load_host()
    text = init_spec(modality, "raw/*.tif", host, preset)
    (tmp_path / "spec.yaml").write_text(text)
    plain = load_spec({"images": "raw/*.tif", "modality": modality, "preset": preset}, host=host, base=tmp_path)
    assert load_spec(tmp_path / "spec.yaml", host=host).to_dict() == plain.to_dict()


def test_what_the_comments_show_is_what_is_in_effect(tmp_path: Path, host: Host) -> None:
    text = init_spec("test-stem", "raw", host)
    (tmp_path / "plain.yaml").write_text(text)
    (tmp_path / "all.yaml").write_text(uncommented(text))
    assert len(yaml.safe_load(uncommented(text))["data"]) == 8
    plain = load_spec(tmp_path / "plain.yaml", host=host)
    assert load_spec(tmp_path / "all.yaml", host=host).to_dict() == plain.to_dict()


def test_without_images_a_placeholder_says_to_change_it(host: Host) -> None:
    line = next(line for line in init_spec("test-stem", None, host).splitlines() if line.startswith("images"))
    assert 'images: ["images/*.tif"]' in line
    assert "CHANGE THIS" in line


def test_the_other_choices_are_shown_beside_each_slot(host: Host) -> None:
    assert re.search(
        r"contrast_gan:.*\n  uses: gan .*\n(  # uses: .*\n)*  # uses: fake-contrast .*# or: gain",
        init_spec("test-stem", None, host),
    )


def test_an_unknown_modality_is_refused_with_the_nearest(host: Host) -> None:
    with pytest.raises(UnknownPluginError, match='Did you mean "test-stem"'):
        init_spec("test-sten", None, host)


def test_init_prints_or_writes_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: Host) -> None:
    monkeypatch.chdir(tmp_path)
    with use_host(host):
        printed = CliRunner().invoke(main, ["init", "--modality", "test-stem"])
        written = CliRunner().invoke(main, ["init", "--modality", "test-stem", "--out", "spec.yaml"])
        again = CliRunner().invoke(main, ["init", "--modality", "test-stem", "--out", "spec.yaml"])
    assert printed.exit_code == written.exit_code == 0
    assert (tmp_path / "spec.yaml").read_text() == printed.stdout
    assert again.exit_code == 2
    assert "exists already" in again.output


def test_init_leaves_a_folder_that_a_variable_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: Host
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MICROGRAPHS", str(tmp_path / "raw"))
    with use_host(host):
        how = ["init", "--modality", "test-stem", "--images", "$MICROGRAPHS/*.npy", "--out", "specs/a.yaml"]
        assert CliRunner().invoke(main, how).exit_code == 0
    assert '"$MICROGRAPHS/*.npy"' in (tmp_path / "specs/a.yaml").read_text()


def test_init_keeps_naming_the_same_images_from_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: Host
) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "a.npy").touch()
    monkeypatch.chdir(tmp_path)
    with use_host(host):
        done = CliRunner().invoke(
            main, ["init", "--modality", "test-stem", "--images", "raw/*.npy", "--out", "specs/a.yaml"]
        )
    assert done.exit_code == 0, done.output
    assert "nothing matches" not in done.output
    spec = load_spec(tmp_path / "specs" / "a.yaml", host=host)
    assert [Path(p).resolve() for p in spec.to_dict()["images"]] == [tmp_path / "raw" / "*.npy"]


def test_an_unquoted_glob_is_explained() -> None:
    done = CliRunner().invoke(main, ["init", "--images", "a.tif", "b.tif", "c.tif"])
    assert done.exit_code == 2
    assert "Quote the glob" in done.output


def test_the_schema_holds_every_plugin_with_its_settings_and_their_descriptions(host: Host) -> None:
    slot = spec_schema(host)["properties"]["contrast_gan"]
    names = {choice["const"]: choice["description"] for choice in slot["anyOf"] if "const" in choice}
    assert names["gan"] == "a GAN"
    settings = next(c for c in slot["anyOf"] if c.get("properties", {}).get("uses", {}).get("const") == "gan")
    assert settings["properties"]["steps"]["description"] == "steps of training"
    assert settings["additionalProperties"] is False
    assert "step 5" in slot["description"]


SPECS: dict[str, tuple[dict[str, Any], bool]] = {
    "names": ({"contrast_gan": "gan", "metrics": ["fake-metric"]}, True),
    "settings": ({"contrast_gan": {"uses": "gan", "steps": 3, "optimiser": {"learning_rate": 0.1}}}, True),
    "settings of the default": ({"contrast_gan": {"steps": 3}}, True),
    "an empty heading": ({"data": None, "metrics": None}, True),
    "one image": ({"images": "a.tif"}, True),
    "unknown name": ({"contrast_gan": "gann"}, False),
    "unknown setting": ({"contrast_gan": {"uses": "gan", "stebs": 3}}, False),
    "a setting of another": ({"contrast_gan": {"uses": "failing", "steps": 3}}, False),
    "unknown modality": ({"modality": "x"}, False),
    "out of range": ({"data": {"crop": 33}}, False),
}


@pytest.mark.parametrize("name", SPECS)
def test_the_schema_takes_what_load_spec_takes(name: str, host: Host) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    change, good = SPECS[name]
    spec = {"images": ["a"], "modality": "test-stem", **change}
    schema = spec_schema(host)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert jsonschema.Draft202012Validator(schema).is_valid(spec) is good
    if good:
        load_spec(spec, host=host)


def test_schema_prints_json(host: Host) -> None:
    with use_host(host):
        done = CliRunner().invoke(main, ["schema"])
    assert json.loads(done.stdout) == spec_schema(host)


def test_the_reference_page_has_every_field_with_its_default() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "spec.md").read_text()
    for name, field in Spec.model_fields.items():
        inner = field.annotation
        parts = inner.model_fields.items() if isinstance(inner, type) and issubclass(inner, Part) else ()
        for dotted, shown in [(f"{name}.{n}", f) for n, f in parts] or [(name, field)]:
            default = "" if shown.is_required() else json.dumps(shown.get_default(call_default_factory=True))
            cell = r"((?:[^|\\]|\\.)*)"
            row = re.search(rf"(?m)^\| `{dotted}` \|{cell}\|{cell}\|{cell}\| \S", page)
            assert row, dotted
            if not isinstance(shown.default, list) and default not in ("[]", "null"):
                assert default in row[2], dotted

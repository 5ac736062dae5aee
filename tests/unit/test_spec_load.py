"""What a spec means: files, layers, overrides, values."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import spec_plugins

from emgen.errors import SpecError
from emgen.host import Host
from emgen.registration import StageConfig
from emgen.spec import Slot, Spec, load_spec, migrate, plugin_config, settings_for_key
from emgen.testing import fakes

BASIC = {"images": ["raw/*.tif"], "modality": "test-stem"}

FORMATS = {
    "spec.yaml": """
        # comment
        images: [raw/*.tif]
        modality: test-stem
        data: {crop: 256}
        contrast_gan: {uses: gan, optimiser: {learning_rate: 1e-4}}
    """,
    "spec.toml": """
        images = ["raw/*.tif"]
        modality = "test-stem"
        data.crop = 256
        [contrast_gan]
        uses = "gan"
        optimiser.learning_rate = 1e-4
    """,
    "spec.json": """
        {"images": ["raw/*.tif"], "modality": "test-stem", "data": {"crop": 256},
         "contrast_gan": {"uses": "gan", "optimiser": {"learning_rate": 1e-4}}}
    """,
}


@pytest.fixture(scope="module")
def host() -> Host:
    return Host.from_modules([fakes, spec_plugins])


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(dedent(text))
    return path


@pytest.mark.parametrize("name", FORMATS)
def test_yaml_toml_json_and_a_dict_mean_the_same(name: str, tmp_path: Path, host: Host) -> None:
    spec = load_spec(write(tmp_path, name, FORMATS[name]), host=host)
    same = load_spec(json.loads(FORMATS["spec.json"]), host=host, base=tmp_path)
    assert spec.to_dict() == same.to_dict()
    assert spec.data.crop == 256
    assert spec.contrast_gan.optimiser.learning_rate == 1e-4  # type: ignore[attr-defined]


def test_relative_paths_start_at_the_spec_file(tmp_path: Path, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "weights").mkdir()
    path = write(
        tmp_path / "specs",
        "a.yaml",
        "{images: raw, modality: test-stem, contrast_gan: {uses: gan, model: old/model, start: weights}}",
    )
    monkeypatch.chdir(tmp_path)
    spec = load_spec("specs/a.yaml", host=host)
    folder = tmp_path / "specs"
    assert spec.base == folder
    assert spec.to_dict()["images"] == [str(folder / "raw")]
    assert spec.contrast_gan.model == folder / "old/model"  # type: ignore[attr-defined]
    assert spec.contrast_gan.start == str(folder / "weights")  # type: ignore[attr-defined]
    assert path.is_file()


def test_a_word_in_a_path_field_stays_a_word(host: Host) -> None:
    assert load_spec(BASIC, host=host).contrast_gan.start == "pretrained"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("user", "overrides", "steps", "loss"),
    [
        ({}, [], 50, "hinge"),  # modality < preset
        ({"preset": "paper"}, [], 9000, "hinge"),
        ({"contrast_gan": "gan"}, [], 50, "hinge"),
        ({"contrast_gan": {"uses": "gan", "steps": 3}}, [], 3, "hinge"),  # preset < user
        ({"contrast_gan": {"steps": 3}}, [], 3, "hinge"),
        ({"contrast_gan": {"uses": "gan", "steps": 3}}, ["contrast_gan.steps=4"], 4, "hinge"),  # user < --set
        ({}, ["preset=paper", "contrast_gan.loss=least-squares"], 9000, "least-squares"),
    ],
)
def test_later_layers_win(user: dict[str, Any], overrides: list[str], steps: int, loss: str, host: Host) -> None:
    gan: Any = load_spec({**BASIC, **user}, overrides, host).contrast_gan
    assert (gan.steps, gan.loss) == (steps, loss)


def test_another_plugin_takes_over_no_settings_of_the_former(host: Host) -> None:
    user = {**BASIC, "contrast_gan": {"uses": "gan", "steps": 3}}
    for override in ("contrast_gan=fake-contrast", "contrast_gan.uses=fake-contrast"):
        assert load_spec(user, [override], host).contrast_gan.model_dump() == {"uses": "fake-contrast", "steps": 8}


def test_a_set_into_a_bare_name_keeps_the_name(host: Host) -> None:
    spec: Any = load_spec({**BASIC, "rough_segmenter": "fake-segmenter"}, ["rough_segmenter.min_area=9"], host)
    assert (spec.rough_segmenter.uses, spec.rough_segmenter.min_area) == ("fake-segmenter", 9)


def test_set_takes_yaml_values_lists_and_metrics(host: Host) -> None:
    overrides = [
        "images=[a.tif, 'b c.tif']",
        "data.pixel_size_nm=0.25",
        "split.subset1=3",
        "metrics=[fake-metric, simulated]",
        "metrics.simulated.steps=5",
        "metrics.0={uses: fetching}",
        "name=x=y",
    ]
    spec: Any = load_spec(BASIC, overrides, host)
    assert spec.images == ["a.tif", "b c.tif"]
    assert (spec.data.pixel_size_nm, spec.split.subset1, spec.name) == (0.25, 3, "x=y")
    assert [(m.uses, getattr(m, "steps", None)) for m in spec.metrics] == [("fetching", None), ("simulated", 5)]


def test_quick_names_no_metric_that_downloads_or_needs_truth(host: Host) -> None:
    names = [metric.uses for metric in load_spec(BASIC, host=host).metrics]
    assert names == ["fake-metric", "simulated"]
    assert "fetching" in [m.uses for m in load_spec({**BASIC, "preset": "paper"}, host=host).metrics]


def test_without_simulated_weights_no_default_metric_brings_them(host: Host) -> None:
    spec = load_spec({**BASIC, "allow_simulated_weights": False}, host=host)
    assert [metric.uses for metric in spec.metrics] == ["fake-metric"]


def test_a_metric_gets_its_preset_too(host: Host) -> None:
    spec: Any = load_spec({**BASIC, "metrics": ["simulated", {"uses": "fake-metric"}]}, host=host)
    assert spec.metrics[0].steps == 50


def test_headings_without_fields_stand_for_the_defaults(tmp_path: Path, host: Host) -> None:
    text = "images: a\nmodality: test-stem\ndata:\n  # crop: 64\nsplit:\nvirtual:\nmetrics:\n"
    spec = load_spec(write(tmp_path, "s.yaml", text), host=host)
    assert spec.to_dict() == load_spec({**BASIC, "images": "a"}, host=host, base=tmp_path).to_dict()


def test_a_spec_written_as_yaml_loads_to_an_equal_one_from_anywhere(tmp_path: Path, host: Host) -> None:
    spec = load_spec(BASIC, ["preset=paper", "contrast_gan.steps=11"], host, base=tmp_path / "elsewhere")
    again = load_spec(write(tmp_path, "spec.yaml", spec.to_yaml()), host=host)
    assert again.to_dict() == spec.to_dict()


def test_the_source_is_left_as_it_was_and_the_spec_is_frozen(host: Host) -> None:
    source = {**BASIC, "data": {"crop": 64}, "metrics": ["fake-metric"]}
    before = json.dumps(source)
    spec = load_spec(source, ["data.crop=96", "metrics.0=fetching"], host)
    assert json.dumps(source) == before
    with pytest.raises(Exception, match="frozen"):
        spec.seed = 3  # type: ignore[misc]


def test_a_slot_value_is_the_plugins_own_settings(host: Host) -> None:
    gan = load_spec(BASIC, host=host).contrast_gan
    assert isinstance(gan, Slot)
    assert isinstance(gan, spec_plugins.GanConfig)
    own = plugin_config(gan)
    assert type(own) is spec_plugins.GanConfig
    assert own == spec_plugins.GanConfig(steps=50, loss="hinge")


def test_a_plugin_without_settings_of_its_own_may_name_the_base_class(host: Host) -> None:
    spec = load_spec({**BASIC, "contrast_gan": "no-code"}, host=host)
    assert plugin_config(spec.contrast_gan) == StageConfig()


def test_the_key_leaves_out_what_cannot_change_a_result(host: Host) -> None:
    def key(*overrides: str) -> dict[str, Any]:
        return settings_for_key(load_spec(BASIC, overrides, host).contrast_gan)

    assert key() == key("contrast_gan.workers=8", "contrast_gan.optimiser.log_every=1")
    assert key() != key("contrast_gan.optimiser.learning_rate=0.5")
    assert not {"uses", "workers"} & set(key())
    json.dumps(key())


def test_an_old_spec_is_migrated(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def rename(tree: dict[str, Any]) -> dict[str, Any]:
        return {**{k: v for k, v in tree.items() if k != "micrographs"}, "images": tree["micrographs"]}

    monkeypatch.setitem(migrate.MIGRATIONS, 0, rename)
    spec = load_spec({"version": 0, "micrographs": "old/*.tif", "modality": "test-stem"}, host=host)
    assert (spec.version, spec.images) == (1, ["old/*.tif"])


@pytest.mark.parametrize(
    ("version", "says"), [(2, "newer emgen.*pip install -U emgen"), (0, "unknown"), ("1", "whole number")]
)
def test_a_spec_of_an_unknown_version_is_refused(version: object, says: str, host: Host) -> None:
    with pytest.raises(SpecError, match=says):
        load_spec({**BASIC, "version": version}, host=host)


def test_spec_is_the_type_that_load_spec_returns(host: Host) -> None:
    assert isinstance(load_spec(BASIC, host=host), Spec)


def test_importing_the_spec_loads_nothing_heavy() -> None:
    heavy = {"torch", "zarr", "pandas", "skimage", "scipy", "matplotlib", "rich"}
    modules = "emgen.spec, emgen.spec.check, emgen.spec.schema, emgen.spec.template"
    code = f"import sys, {modules}; sys.exit(', '.join({heavy} & set(sys.modules)) or None)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_off_needs_no_quotes_in_yaml(tmp_path: Path, host: Host) -> None:
    """YAML 1.1 reads it as false."""
    text = "images: [raw/*.tif]\nmodality: test-stem\ngate: {mode: off}\ndata: {doctor: off}\n"
    spec = load_spec(write(tmp_path, "spec.yaml", text), host=host)
    assert (spec.gate.mode, spec.data.doctor) == ("off", "off")
    assert load_spec(BASIC, ["gate.mode=off"], host).gate.mode == "off"

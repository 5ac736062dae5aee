"""The commented spec that ``emgen init`` writes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from emgen.errors import PluginError
from emgen.spec.load import load_spec
from emgen.spec.model import Part, Spec
from emgen.spec.slots import SLOTS, Slot, plugin_config

if TYPE_CHECKING:
    from emgen.host import Host

PLACEHOLDER = "images/*.tif"
FIRST_CHOICE = "haadf-stem"
"""The paper's modality, where it is installed and none is named."""

HEADER = """\
# From unlabelled micrographs to a segmentation model:  emgen run THIS-FILE   (emgen validate THIS-FILE checks first)
# A line behind "#" shows what is in effect; take the "#" away to change it. All fields: emgen schema.
# Relative paths start at this file's folder.
"""


def init_spec(modality: str | None, images: str | None, host: Host, preset: str = "quick") -> str:
    """A commented YAML spec. Unedited (once ``images`` is right) it is a good run of the modality.

    Raises ``UnknownPluginError`` for a modality that is not installed, ``SpecError`` where the modality's defaults name
    a stage that is not.
    """
    modality = modality or _default_modality(host)
    host.find("modality", modality)
    pattern = images or PLACEHOLDER
    spec = load_spec({"images": [pattern], "modality": modality, "preset": preset}, host=host)
    return "\n".join([HEADER, *_top(spec, pattern, images is None, host), *_parts(spec), *_slots(spec, host), ""])


def _default_modality(host: Host) -> str:
    installed = list(host.plugins("modality"))
    if not installed:
        raise PluginError("No modality is installed. `emgen plugins list` shows what is broken.")
    return FIRST_CHOICE if FIRST_CHOICE in installed else installed[0]


def _top(spec: Spec, pattern: str, is_placeholder: bool, host: Host) -> Iterator[str]:
    change = "CHANGE THIS. " if is_placeholder else ""
    yield f"version: {spec.version}"
    yield _line("name", spec.name)
    yield f"images: [{json.dumps(pattern, ensure_ascii=False)}]  # {change}{_about(Spec, 'images')}"
    for name, registered in host.plugins("modality").items():
        yield f"# {'this' if name == spec.modality else 'or  '}  {name}: {registered.plugin.summary}"
    yield _line("modality", spec.modality)
    yield _line("preset", spec.preset, _about(Spec, "preset"))
    yield _line("seed", spec.seed, _about(Spec, "seed"))
    for name in ("device", "precision", "rounds", "warm_start", "labelled", "allow_simulated_weights"):
        yield "# " + _line(name, getattr(spec, name), _about(Spec, name))


def _parts(spec: Spec) -> Iterator[str]:
    for name in ("data", "split", "virtual", "gate", "checkpoints"):
        part: Part = getattr(spec, name)
        yield f"\n{name}:  # {_about(Spec, name)}"
        for field in type(part).model_fields:
            yield "  # " + _line(field, _names(getattr(part, field)), _about(type(part), field))


def _names(value: Any) -> Any:
    """A list of slots by its names; any other value as it is."""
    return [each.uses if isinstance(each, Slot) else each for each in value] if isinstance(value, list) else value


def _slots(spec: Spec, host: Host) -> Iterator[str]:
    yield "\n# Which plugin stands in each slot. All settings of one: emgen plugins show NAME"
    for slot in SLOTS:
        value: Slot = getattr(spec, slot)
        plugins = host.plugins(slot)
        yield f"\n{slot}:  # {_about(Spec, slot)}"
        yield _line("  uses", value.uses, plugins[value.uses].plugin.summary)
        for name, registered in plugins.items():
            if name != value.uses:
                yield "  # " + _line("uses", name, f"or: {registered.plugin.summary}")
        for name, setting in changed_settings(value).items():
            yield "  # " + _line(name, setting, _about(type(value), name))
    yield f"\n# {_about(Spec, 'metrics')}"
    yield f"# metrics: {_yaml(_names(spec.metrics))}"


def changed_settings(value: Slot) -> Mapping[str, Any]:
    """The settings, as JSON values, that the modality, the preset or the user made other than the plugin's default."""
    own = plugin_config(value)
    now = own.model_dump(mode="json")
    fields = type(own).model_fields
    before = {
        name: field.get_default(call_default_factory=True) for name, field in fields.items() if not field.is_required()
    }
    plain = type(own).model_construct(**before).model_dump(mode="json", warnings=False)
    return {name: setting for name, setting in now.items() if name not in plain or plain[name] != setting}


def _about(model: type[BaseModel], field: str) -> str:
    return model.model_fields[field].description or ""


def _line(name: str, value: Any, comment: str = "") -> str:
    """
    >>> _line("seed", 0, "a number")
    'seed: 0                         # a number'
    """
    text = f"{name}: {_yaml(value)}"
    return f"{text:<30}  # {comment}" if comment else text


def _yaml(value: Any) -> str:
    import yaml

    return (
        yaml.safe_dump(value, default_flow_style=True, width=10_000, allow_unicode=True).removesuffix("...\n").strip()
    )

"""From what the user wrote to a validated spec."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from emgen.errors import SpecError
from emgen.registration import ModalityPlugin, StagePlugin
from emgen.spec.explain import problems_of
from emgen.spec.merge import merge_slot, merge_trees
from emgen.spec.migrate import migrate
from emgen.spec.model import Spec, build_spec_model
from emgen.spec.overrides import Override, apply_override, parse_override
from emgen.spec.presets import PRESETS, preset_fields, ranking_metrics
from emgen.spec.problems import InvalidSpecError, Layer, Problem, origin_of
from emgen.spec.read import read_document
from emgen.spec.slots import SLOTS, as_settings

if TYPE_CHECKING:
    from emgen.host import Host
    from emgen.registration import Kind


def load_spec(
    source: Path | str | Mapping[str, Any],
    overrides: Sequence[str] = (),
    host: Host | None = None,
    base: Path | None = None,
) -> Spec:
    """The spec that ``source`` (a YAML, TOML or JSON file, or a mapping) and ``overrides`` (``a.b=c``) describe.

    Later goes over earlier: the modality's defaults, the preset, ``source``, ``overrides``. Relative paths start at
    ``base``, by default the file's folder. Raises ``SpecError`` (``InvalidSpecError`` lists every problem at once).
    """
    if host is None:
        from emgen.host import load_host

        host = load_host()
    document = read_document(source, base)
    tree = migrate(document.tree, document.title)
    changes = _parse_all(overrides)
    merged = _merge(tree, changes, host)
    layers = [*merged.layers, Layer(tree, lines=document.lines), *_as_layers(changes)]
    model = build_spec_model(host)
    try:
        return model.model_validate(merged.tree, context={"base": document.base})
    except ValidationError as error:
        found = problems_of(error, merged.tree, model)
        kept = [replace(p, origin=origin_of(p.field, layers)) for p in _telling(found)]
        raise InvalidSpecError(document.title, kept) from None


def _parse_all(overrides: Sequence[str]) -> list[Override]:
    parsed, failures = [], []
    for text in overrides:
        try:
            parsed.append(parse_override(text))
        except SpecError as error:
            failures.append(str(error))
    if failures:
        raise SpecError("\n".join(failures))
    return parsed


@dataclass(frozen=True, slots=True)
class _Merged:
    tree: dict[str, Any]
    layers: list[Layer]


def _merge(user: Mapping[str, Any], changes: Sequence[Override], host: Host) -> _Merged:
    """Two passes: which plugins stand in the slots decides which presets lie under the user's settings."""
    top = _applied(user, [c for c in changes if len(c.path) == 1])
    modality = _modality_defaults(top.get("modality"), host)
    preset = str(top.get("preset", "quick"))
    simulated = top.get("allow_simulated_weights") is not False
    fields = preset_fields(preset, host, simulated_weights=simulated) if preset in PRESETS else {}
    draft = _applied(merge_trees(merge_trees(modality, fields), user), changes)
    stages = _plugin_presets(draft, preset, host)
    lower = merge_trees(modality, {**fields, **stages})
    tree = _applied(merge_trees(lower, user), changes)
    if isinstance(metrics := tree.get("metrics"), list):
        tree["metrics"] = [_metric(entry, preset, host) for entry in metrics]
    tree["checkpoints"] = _with_metrics(tree.get("checkpoints"), preset, host)
    named = f'default of modality "{top.get("modality")}"'
    return _Merged(tree, [Layer(modality, named), Layer({**fields, **stages}, f'preset "{preset}"')])


def _applied(tree: Mapping[str, Any], changes: Sequence[Override]) -> dict[str, Any]:
    return reduce(apply_override, changes, dict(tree))


def _as_layers(changes: Sequence[Override]) -> list[Layer]:
    return [Layer(apply_override({}, c), f"--set {c.text}") for c in changes if not any(p.isdecimal() for p in c.path)]


def _modality_defaults(name: object, host: Host) -> dict[str, Any]:
    plugin = _plugin("modality", name, host)
    return merge_trees({}, plugin.defaults) if isinstance(plugin, ModalityPlugin) else {}


def _plugin_presets(draft: Mapping[str, Any], preset: str, host: Host) -> dict[str, Any]:
    """Per slot what the chosen plugin's preset changes."""
    return {slot: found for slot in SLOTS if (found := _preset_of(slot, draft.get(slot), preset, host)) is not None}


def _preset_of(kind: Kind, value: Any, preset: str, host: Host) -> dict[str, Any] | None:
    settings = as_settings(value)
    name = settings.get("uses") if isinstance(settings, dict) else None
    plugin = _plugin(kind, name, host)
    return {"uses": name, **plugin.config.presets.get(preset, {})} if isinstance(plugin, StagePlugin) else None


def _metric(entry: Any, preset: str, host: Host) -> Any:
    lower = _preset_of("metric", entry, preset, host)
    return merge_slot(lower, entry)


def _with_metrics(checkpoints: Any, preset: str, host: Host) -> Any:
    """``by`` as the user wrote it, or the metrics that can rank anywhere; each with its plugin's preset below it."""
    if not isinstance(checkpoints, Mapping | None):
        return checkpoints
    by = (checkpoints or {}).get("by") or ranking_metrics(host)
    entries = [_metric(entry, preset, host) for entry in by] if isinstance(by, list) else by
    return {**(checkpoints or {}), "by": entries}


def _plugin(kind: Kind, name: object, host: Host) -> object:
    """The plugin, or ``None``: an unknown name is the validation's to explain."""
    return registered.plugin if isinstance(name, str) and (registered := host.plugins(kind).get(name)) else None


def _telling(problems: Sequence[Problem]) -> list[Problem]:
    """Without slots that are missing only because the modality, which would fill them, is wrong."""
    if not any(p.field == "modality" for p in problems):
        return list(problems)
    return [p for p in problems if not (p.field in SLOTS and p.text.startswith("is missing"))]

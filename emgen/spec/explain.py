"""Pydantic's complaints in a user's words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticUndefined

from emgen.errors import did_you_mean, listing
from emgen.spec.problems import Problem
from emgen.spec.read import FieldPath
from emgen.spec.slots import SLOTS, SlotOf

PLAIN = {
    "int_": "should be a whole number",
    "float_": "should be a number",
    "bool_": "should be true or false",
    "string_type": "should be text",
    "list_type": "should be a list",
    "tuple_type": "should be a list",
    "dict_type": "should be fields with values",
    "model_": "should be fields with values",
}
"""Pydantic's kinds of error (their beginnings) in plain words; the others' own words do."""


def problems_of(error: ValidationError, tree: Mapping[str, Any], model: type[BaseModel]) -> list[Problem]:
    """Pydantic's complaints about ``tree`` in a user's words, one problem a field. ``origin`` is filled in later."""
    found: dict[str, list[str]] = {}
    for detail in error.errors(include_url=False):
        path = _path(detail, tree)
        texts = found.setdefault(".".join(map(str, path)), [])
        if (text := _text(detail, path, tree, model)) not in texts:
            texts.append(text)
    return [Problem(field, "; or ".join(texts)) for field, texts in found.items()]


def _path(detail: ErrorDetails, tree: Mapping[str, Any]) -> FieldPath:
    """Pydantic's location without what is no field: the plugin's name, members of a union, ``function-before[...]``."""
    location = list(detail["loc"])
    tag = 1 if location and location[0] in SLOTS else 2 if location and location[0] == "metrics" else None
    if tag is not None and len(location) > tag:
        del location[tag]
    kept: list[str | int] = []
    node: Any = tree
    for index, part in enumerate(location):
        inside = _child(node, part)
        if inside is PydanticUndefined and not (detail["type"] == "missing" and index == len(location) - 1):
            continue
        kept.append(part)
        node = inside
    return tuple(kept)


def _child(node: Any, part: str | int) -> Any:
    if isinstance(node, str) and part == "uses":
        return node
    try:
        return node[part]
    except (KeyError, IndexError, TypeError):
        return PydanticUndefined


def _text(detail: ErrorDetails, path: FieldPath, tree: Mapping[str, Any], model: type[BaseModel]) -> str:
    kind, message, context = detail["type"], detail["msg"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown_field(path, tree, model)
    fields = fields_at(model, path[:-1], tree)
    if kind == "missing":
        return _missing(fields.get(str(path[-1])))
    if kind == "value_error":
        return str(context["error"]).rstrip(".") + "."
    if kind.startswith("too_"):
        return _too_many_or_few(context)
    if "Input" not in message:
        return message
    return _should(detail, fields.get(str(path[-1])) if path else None)


def _too_many_or_few(context: Mapping[str, Any]) -> str:
    limit = f"at least {context['min_length']}" if "min_length" in context else f"at most {context['max_length']}"
    return f"should hold {limit}, not {context['actual_length']}."


def _missing(field: FieldInfo | None) -> str:
    about = f": {field.description}" if field is not None and field.description else ""
    examples = listing(map(str, field.examples)) if field is not None and field.examples else ""
    return f"is missing{about}." + (f" For example: {examples}." if examples else "")


def _should(detail: ErrorDetails, field: FieldInfo | None) -> str:
    """``Input should be greater than 0`` -> ``should be greater than 0, not -1; the default is 4.``"""
    message, given = detail["msg"], detail["input"]
    text = next((plain for kind, plain in PLAIN.items() if detail["type"].startswith(kind)), message)
    text = re.sub(r"^Input ", "", text) + f", not {_shown(given)}"
    default = field.default if field is not None else PydanticUndefined
    if default is not PydanticUndefined and isinstance(default, str | int | float):
        text += f"; the default is {_shown(default)}"
    if detail["type"] == "literal_error" and isinstance(given, str):
        return text + "." + did_you_mean(given, re.findall(r"'([^']*)'", message))
    return text + (
        ". Put it in quotes to make it text." if detail["type"] == "string_type" and given is not None else "."
    )


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(value) if not isinstance(value, str) else f'"{value}"'
    return text if len(text) <= 60 else f"{text[:57]}..."


def _unknown_field(path: FieldPath, tree: Mapping[str, Any], model: type[BaseModel]) -> str:
    known = [name for name in fields_at(model, path[:-1], tree) if name != "uses"]
    name = str(path[-1])
    plugin = _plugin_at(path, tree)
    if plugin is not None:
        return f'"{plugin}" has no such setting.{did_you_mean(name, known)} Its settings: {listing(known)}.'
    if len(path) > 1:
        return f"there is no such field.{did_you_mean(name, known)} Fields of {path[0]}: {listing(known)}."
    return f"there is no such field.{did_you_mean(name, known) or _deeper(name, model)} Fields: {listing(known)}."


def _deeper(name: str, model: type[BaseModel]) -> str:
    """A field that was written one level too high."""
    for part, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel) and name in inner.model_fields:
            return f' Did you mean "{part}.{name}"?'
    return ""


def _plugin_at(path: FieldPath, tree: Mapping[str, Any]) -> str | None:
    """The name of the plugin among whose settings ``path`` lies."""
    depth = 1 if path[0] in SLOTS else 2 if path[0] == "metrics" else 0
    node: Any = tree
    for part in path[:depth]:
        node = _child(node, part)
    return node.get("uses") if depth and isinstance(node, Mapping) else None


def fields_at(model: type[BaseModel], path: FieldPath, tree: Mapping[str, Any]) -> dict[str, FieldInfo]:
    """The fields that may stand at ``path``, by name."""
    models: list[type[BaseModel]] = [model]
    for depth, part in enumerate(path):
        if isinstance(part, int):
            continue
        plugin = _plugin_at(path[: depth + 2], tree) if depth == 0 else None
        fields = [field for m in models if (field := m.model_fields.get(str(part))) is not None]
        models = [inner for field in fields for inner in _models_in(field, plugin)]
    return {name: field for m in models for name, field in m.model_fields.items()}


def _models_in(field: FieldInfo, plugin: str | None) -> list[type[BaseModel]]:
    """The models of a field's annotation, of a slot's that of its plugin."""
    found: list[type[BaseModel]] = []
    pending: list[Any] = [field.annotation, *field.metadata]
    while pending:
        item = pending.pop()
        if isinstance(item, SlotOf):
            return [item.classes[plugin]] if plugin in item.classes else []
        if isinstance(item, type) and issubclass(item, BaseModel):
            found.append(item)
        pending += get_args(item)
    return found

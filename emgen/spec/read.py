"""From a file (YAML, TOML, JSON) or a mapping to one tree of plain values that remembers its lines."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from emgen.errors import SpecError, did_you_mean, listing

FieldPath = tuple[str | int, ...]
SUFFIXES = (".yaml", ".yml", ".toml", ".json")


@dataclass(frozen=True, slots=True)
class Document:
    """What the user wrote.

    Attributes
    ----------
    tree: plain values, keys are text.
    title: for messages: the file, or ``the spec`` for a mapping.
    base: where relative paths start.
    lines: the line of each key, where the format tells (YAML).
    """

    tree: dict[str, Any]
    title: str
    base: Path
    lines: Mapping[FieldPath, int] = field(default_factory=dict)


def read_document(source: Path | str | Mapping[str, Any], base: Path | None = None) -> Document:
    """Read ``source``. Raises ``SpecError`` that names the file, the line and the way out."""
    if isinstance(source, Mapping):
        return Document(_plain(source), "the spec", (base or Path.cwd()).absolute())
    path = Path(source).expanduser()
    text = _text(path)
    lines: dict[FieldPath, int] = {}
    parse = {".toml": _toml, ".json": _json}.get(path.suffix.lower())
    tree = parse(text, path) if parse else _yaml(text, path, lines)
    if not isinstance(tree, dict):
        raise SpecError(_no_fields(path, tree))
    return Document(tree, str(path), (base or path.parent).absolute(), lines)


def _plain(tree: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of nested mappings, so that nothing of the caller's is shared."""
    return {k: _plain(v) if isinstance(v, Mapping) else list(v) if isinstance(v, list) else v for k, v in tree.items()}


def _text(path: Path) -> str:
    if path.is_dir():
        inside = next((p for p in sorted(path.glob("*.y*ml")) if p.is_file()), None)
        raise SpecError(f"{path} is a folder. Name the spec file{f', e.g. {inside}' if inside else ''}.")
    if not path.is_file():
        there = [p.name for p in path.parent.glob("*") if p.suffix.lower() in SUFFIXES]
        raise SpecError(
            f"{path}: there is no such file.{did_you_mean(path.name, there)} `emgen init --out {path}` writes one."
        )
    if path.suffix.lower() not in SUFFIXES:
        raise SpecError(f'{path}: a spec ends in {listing(SUFFIXES)}, not in "{path.suffix}". Rename it.')
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise SpecError(f"{path}: not UTF-8 text (byte {error.start}). Save it as UTF-8.") from None
    except OSError as error:
        raise SpecError(f"{path}: cannot be read ({error.strerror}).") from error


def _no_fields(path: Path, tree: Any) -> str:
    if tree is None:
        return f"{path}: the file is empty. `emgen init` writes a spec to start from."
    return f"{path}: a spec is fields with values, such as `modality: haadf-stem`, not {_article(tree)}."


def _article(value: Any) -> str:
    return "a list" if isinstance(value, list) else f"the one value {value!r}"


def _toml(text: str, path: Path) -> Any:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SpecError(f"{path}: not valid TOML: {error}.") from None


def _json(text: str, path: Path) -> Any:
    def each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        seen: dict[str, Any] = {}
        for key, value in pairs:
            if key in seen:
                raise SpecError(f'{path}: "{key}" is written twice in one object. Keep one.')
            seen[key] = value
        return seen

    try:
        return json.loads(text, object_pairs_hook=each_once)
    except json.JSONDecodeError as error:
        raise SpecError(f"{path}, line {error.lineno}, column {error.colno}: not valid JSON: {error.msg}.") from None


def _yaml(text: str, path: Path, lines: dict[FieldPath, int]) -> Any:
    try:
        loader = yaml.SafeLoader(text)
        try:
            node = loader.get_single_node()
            _walk(node, (), lines, path)
            return None if node is None else loader.construct_document(node)
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        raise SpecError(_yaml_problem(error, path, text)) from None


def _walk(node: yaml.Node | None, at: FieldPath, lines: dict[FieldPath, int], path: Path) -> None:
    """Note the line of every key; refuse a key that is written twice (YAML would silently take the last)."""
    if isinstance(node, yaml.SequenceNode):
        for index, child in enumerate(node.value):
            lines[(*at, index)] = child.start_mark.line + 1
            _walk(child, (*at, index), lines, path)
    if not isinstance(node, yaml.MappingNode):
        return
    first: dict[str, int] = {}
    for key, child in node.value:
        line = key.start_mark.line + 1
        if key.tag == "tag:yaml.org,2002:merge":
            continue
        if key.tag != "tag:yaml.org,2002:str":
            raise SpecError(f"{path}, line {line}: the field name {key.value!r} is not text. Put it in quotes.")
        if key.value in first:
            where = ".".join(map(str, (*at, key.value)))
            raise SpecError(
                f'{path}, line {line}: "{where}" is written twice (also in line {first[key.value]}). Keep one.'
            )
        first[key.value] = lines[(*at, key.value)] = line
        _walk(child, (*at, key.value), lines, path)


def _yaml_problem(error: yaml.YAMLError, path: Path, text: str) -> str:
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return f"{path}: not valid YAML: {error}"
    shown = text.splitlines()[mark.line] if mark.line < len(text.splitlines()) else ""
    hint = " YAML indents with spaces, not tabs." if "\t" in shown[: mark.column + 1] else ""
    cause = " ".join(filter(None, (getattr(error, "context", None), getattr(error, "problem", None))))
    place = f"{path}, line {mark.line + 1}, column {mark.column + 1}"
    return f"{place}: not valid YAML: {cause}.{hint}" + (f"\n    {shown}" if shown.strip() else "")

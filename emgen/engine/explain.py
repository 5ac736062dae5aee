"""Why an artifact was made anew: which part of its key differs from the nearest one of the same slot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emgen.artifacts import MANIFEST, read_json
from emgen.engine.cache import RECIPE, Store
from emgen.errors import OutputError, did_you_mean, listing


@dataclass(frozen=True)
class Difference:
    """One part of the key, e.g. ``config.epochs``, here and in the other artifact; ``None``: not there."""

    part: str
    here: Any
    there: Any


@dataclass(frozen=True)
class Explanation:
    """``nearest`` is ``None`` when no other artifact of the slot stands in the store."""

    name: str
    nearest: str | None
    differences: tuple[Difference, ...]


def why(store: Store, name: str) -> Explanation:
    """Compares the artifact ``name`` (folder name, its beginning, or a slot: then the newest) with its nearest."""
    entries = _entries(store)
    chosen = _choose(entries, name)
    documents = {entry: _document(folder) for entry, folder in entries.items()}
    others = [other for other in entries if other != chosen and _slot(documents, other) == _slot(documents, chosen)]
    if not others:
        return Explanation(chosen, None, ())
    by_key = {read["key"]: read["recipe"] for read in documents.values()}
    found = {other: _differences(documents[chosen]["recipe"], documents[other]["recipe"], by_key) for other in others}
    nearest = min(others, key=lambda other: (len(found[other]), -entries[other].stat().st_mtime))
    return Explanation(chosen, nearest, tuple(found[nearest]))


def _entries(store: Store) -> dict[str, Path]:
    folders = [artifact.folder for artifact in store.artifacts()] + store.partials()
    return {folder.name: folder for folder in folders if (folder / MANIFEST).exists() or (folder / RECIPE).exists()}


def _choose(entries: Mapping[str, Path], name: str) -> str:
    if name in entries:
        return name
    matches = [entry for entry in entries if entry.startswith(name)]
    if not matches:
        near = did_you_mean(name, entries)
        raise OutputError(f'no artifact "{name}" in this store.{near} There are: {listing(entries)}')
    return max(matches, key=lambda entry: entries[entry].stat().st_mtime)


def _document(folder: Path) -> Mapping[str, Any]:
    path = folder / MANIFEST
    document: Mapping[str, Any] = read_json(path if path.exists() else folder / RECIPE)
    return document


def _slot(documents: Mapping[str, Mapping[str, Any]], name: str) -> str:
    return str(documents[name]["slot"])


def _differences(
    here: Mapping[str, Any], there: Mapping[str, Any], by_key: Mapping[str, Any], prefix: str = ""
) -> list[Difference]:
    """Leaf by leaf; an input that differs is followed to what differs in it, down to the first cause."""
    left, right = _flat(here), _flat(there)
    found: list[Difference] = []
    for part in sorted(left.keys() | right.keys()):
        a, b = left.get(part), right.get(part)
        if a == b:
            continue
        inner_a, inner_b = by_key.get(_key(a)), by_key.get(_key(b))
        if part.startswith("inputs.") and inner_a and inner_b and inner_a["slot"] == inner_b["slot"]:
            found += _differences(inner_a, inner_b, by_key, f"{prefix}{inner_a['slot']} > ")
        else:
            found.append(Difference(prefix + part, a, b))
    return [difference for index, difference in enumerate(found) if difference not in found[:index]]


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(value, Mapping):
        return {prefix.rstrip("."): value}
    flat: dict[str, Any] = {}
    for name, inner in value.items():
        flat.update(_flat(inner, f"{prefix}{name}."))
    return flat


def _key(value: Any) -> str:
    """The key in an input: of an artifact, or of a stack inside one (``key/name``)."""
    return str(value).partition("/")[0]

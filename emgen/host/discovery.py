"""Find the plugin modules that installed distributions name under the entry-point group. Imports none of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, EntryPoint, distributions

from emgen.errors import did_you_mean
from emgen.host.records import PluginFailure, cause
from emgen.host.selection import OWN, Selection, canonical

GROUP = "emgen.plugins"
"""The contract this emgen speaks. An incompatible one would get a new group, e.g. ``emgen.plugins.v2``."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A plugin module that may be loaded; ``load`` imports it."""

    distribution: str
    version: str
    module: str
    editable: bool
    load: Callable[[], object]


def discover(selection: Selection) -> tuple[list[Candidate], list[PluginFailure]]:
    """Candidates in load order (emgen's own, then by distribution name) and the failures found on the way."""
    candidates: list[Candidate] = []
    failures: list[PluginFailure] = []
    seen: set[str] = set()
    for distribution in _with_plugins():
        name = distribution.name or "(unnamed)"
        if canonical(name) in seen:  # an older copy further down sys.path
            continue
        seen.add(canonical(name))
        try:
            found, refused = _of_distribution(distribution, name)
        except Exception as error:
            failures.append(PluginFailure(name, "?", "entry_points.txt", "metadata", cause(error)))
            continue
        candidates += found
        failures += refused
    failures += _unmatched(selection, candidates)
    kept = [c for c in candidates if selection.allows(c.distribution, c.module)]
    return sorted(kept, key=_load_order), [f for f in failures if f.phase == "find" or _allows(selection, f)]


def is_editable(distribution: Distribution) -> bool:
    """Whether ``pip install -e`` put it there (PEP 610, ``direct_url.json``)."""
    text = distribution.read_text("direct_url.json")
    try:
        return bool(text and json.loads(text).get("dir_info", {}).get("editable", False))
    except (ValueError, AttributeError):
        return False


def _with_plugins() -> Iterator[Distribution]:
    """Only the text of each entry_points.txt is read: parsing all metadata would take most of the start-up time."""
    for distribution in distributions():
        if GROUP in (distribution.read_text("entry_points.txt") or ""):
            yield distribution


def _of_distribution(distribution: Distribution, name: str) -> tuple[list[Candidate], list[PluginFailure]]:
    entries = list(distribution.entry_points)
    current = [entry for entry in entries if entry.group == GROUP]
    others = [entry for entry in entries if entry.group.startswith(f"{GROUP}.")]
    editable, version = is_editable(distribution), distribution.version
    candidates = [Candidate(name, version, entry.value, editable, entry.load) for entry in current]
    # A distribution that speaks this contract as well has its other entries for other versions of emgen.
    return candidates, [] if current else [_other_contract(entry, name, version) for entry in others]


def _other_contract(entry: EntryPoint, distribution: str, version: str) -> PluginFailure:
    text = (
        f'it is written for the contract "{entry.group}", this emgen reads "{GROUP}". '
        f"Update {distribution}, or install an emgen that reads that contract."
    )
    return PluginFailure(distribution, version, entry.value, "contract", text)


def _unmatched(selection: Selection, candidates: Iterable[Candidate]) -> list[PluginFailure]:
    """Names in EMGEN_PLUGINS that nothing answers to: most likely a typing error."""
    if selection.only is None or not selection.third_party:
        return []
    known = frozenset[str]().union(*(selection.names_of(c.distribution, c.module) for c in candidates))
    return [
        PluginFailure(
            name,
            "?",
            "?",
            "find",
            "EMGEN_PLUGINS names it, but no installed distribution or plugin module is called so."
            + did_you_mean(name, known),
        )
        for name in sorted(selection.only - known)
    ]


def _allows(selection: Selection, failure: PluginFailure) -> bool:
    return selection.allows(failure.distribution, failure.module)


def _load_order(candidate: Candidate) -> tuple[bool, str, str]:
    name = canonical(candidate.distribution)
    return name != OWN, name, candidate.module

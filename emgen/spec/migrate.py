"""Old specs keep working: each version's spec is turned into the next one's."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import Any

import emgen
from emgen.errors import SpecError

CURRENT = 1
"""The version this emgen writes."""

Migration = Callable[[dict[str, Any]], dict[str, Any]]
MIGRATIONS: MutableMapping[int, Migration] = {}
"""``MIGRATIONS[n]`` makes a tree of version n into one of version n + 1."""


def migrate(tree: dict[str, Any], title: str) -> dict[str, Any]:
    """``tree`` at the current version. A tree without a version counts as current. Raises ``SpecError``."""
    version = tree.get("version", CURRENT)
    if not isinstance(version, int) or isinstance(version, bool):
        raise SpecError(f"{title}: version: should be a whole number such as {CURRENT}, not {version!r}.")
    if version > CURRENT:
        raise SpecError(
            f"{title}: version {version} is of a newer emgen; this one ({emgen.__version__}) reads up to {CURRENT}. "
            "Update it: pip install -U emgen."
        )
    for step in range(version, CURRENT):
        if step not in MIGRATIONS:
            raise SpecError(f"{title}: version {version} is unknown; write version: {CURRENT}.")
        tree = {**MIGRATIONS[step](dict(tree)), "version": step + 1}
    return tree

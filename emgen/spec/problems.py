"""What is wrong with a spec, all of it at once: each problem with its field, its cause and the way out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from emgen.errors import SpecError
from emgen.spec.read import FieldPath


@dataclass(frozen=True, slots=True)
class Problem:
    """``field`` in dots; ``text``: cause and way out; ``origin``: who set the value (``line 7``, ``--set a=1``)."""

    field: str
    text: str
    origin: str = ""

    def __str__(self) -> str:
        return f"{self.field}{f' ({self.origin})' if self.origin else ''}: {self.text}"


class InvalidSpecError(SpecError):
    """Every problem of a spec; ``problems`` holds them one by one."""

    def __init__(self, title: str, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        first, notes = zip(*(str(problem).partition("\n")[::2] for problem in problems), strict=True)
        lines = [f"{title}: {first[0]}"] if len(first) == 1 else [f"{title} has {len(first)} problems:", *first]
        # What follows the first line (broken plugins) is the same for every unknown name.
        after = dict.fromkeys(line for note in notes for line in note.splitlines())
        super().__init__("\n  ".join(lines) + "".join(f"\n{line}" for line in after))


@dataclass(frozen=True, slots=True)
class Layer:
    """One of the trees that were merged: ``origin`` of its values, or the line of each where that is known."""

    tree: Mapping[str, Any]
    origin: str = ""
    lines: Mapping[FieldPath, int] | None = None

    def holds(self, path: FieldPath) -> bool:
        node: Any = self.tree
        for part in path:
            try:
                node = node[part]
            except (KeyError, IndexError, TypeError):
                return False
        return True


def origin_of(field: str, layers: Iterable[Layer]) -> str:
    """Where a value was set: the last of the layers that holds it."""
    path: FieldPath = tuple(int(part) if part.isdecimal() else part for part in field.split("."))
    for layer in reversed(list(layers)):
        if layer.holds(path):
            line = (layer.lines or {}).get(path)
            return f"line {line}" if line else layer.origin
    return ""

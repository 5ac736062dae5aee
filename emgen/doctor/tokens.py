"""Findings that name no file: what is stored must not depend on how files are called."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

TOKEN = re.compile(r"⟨(\d+)⟩")


def token(index: int) -> str:
    """What stands for the name of the ``index``-th micrograph."""
    return f"⟨{index}⟩"


def named(value: Any, names: Sequence[str]) -> Any:
    """JSON values with every token replaced by the name that it stands for.

    >>> named({"measured": "⟨0⟩ = ⟨1⟩"}, ["a", "b"])
    {'measured': 'a = b'}
    """
    if isinstance(value, str):
        return TOKEN.sub(lambda match: names[int(match[1])], value)
    if isinstance(value, dict):
        return {named(name, names): named(inner, names) for name, inner in value.items()}
    return [named(inner, names) for inner in value] if isinstance(value, list | tuple) else value

"""What keeps a spec from running, gathered instead of raised."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from emgen.errors import EmgenError, PluginError


@dataclass(frozen=True, slots=True)
class Obstacle:
    """``error``, and the ``field`` of the spec it belongs to."""

    field: str
    error: EmgenError

    def __str__(self) -> str:
        return f"{self.field}: {self.error}"


def attempt(field: str, found: list[Obstacle], what: str, act: Callable[[], object]) -> bool:
    """Whether ``act`` went well; else its error is added to those found. ``what`` names it where a plugin crashes."""
    try:
        act()
    except EmgenError as error:
        found.append(Obstacle(field, error))
    except Exception as error:  # a plugin's own code
        found.append(Obstacle(field, PluginError(f"{what} failed: {type(error).__name__}: {error}")))
    else:
        return True
    return False

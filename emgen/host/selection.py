"""Which plugins may load at all. Decided from the command line and the environment before anything is imported."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

OWN = "emgen"
"""The distribution whose plugins always load: the defaults."""

_no_plugins = False


def canonical(name: str) -> str:
    """A distribution or module name as packaging tools compare it.

    >>> canonical("EMgen_My.Plugin")
    'emgen-my-plugin'
    """
    return re.sub(r"[-_.]+", "-", name).lower()


@dataclass(frozen=True, slots=True)
class Selection:
    """``third_party`` false: only emgen's own. ``only``: canonical names of distributions or modules that may load
    beside emgen's own; ``None``: all. ``strict``: a failure raises instead of being recorded."""

    third_party: bool = True
    only: frozenset[str] | None = None
    strict: bool = False

    @classmethod
    def current(cls, environ: Mapping[str, str] = os.environ) -> Selection:
        """From ``--no-plugins``, ``EMGEN_PLUGINS`` and ``EMGEN_STRICT_PLUGINS``; an empty variable counts as unset."""
        names = frozenset(
            canonical(name.strip()) for name in environ.get("EMGEN_PLUGINS", "").split(",") if name.strip()
        )
        strict = environ.get("EMGEN_STRICT_PLUGINS", "") not in ("", "0")
        return cls(third_party=not _no_plugins, only=names or None, strict=strict)

    def names_of(self, distribution: str, module: str) -> frozenset[str]:
        """Every name under which ``EMGEN_PLUGINS`` may ask for this module."""
        return frozenset(canonical(name) for name in (distribution, module, module.partition(".")[0]))

    def allows(self, distribution: str, module: str) -> bool:
        """Whether this module may be imported."""
        if canonical(distribution) == OWN:
            return True
        return self.third_party and (self.only is None or bool(self.only & self.names_of(distribution, module)))


@contextmanager
def without_plugins() -> Iterator[None]:
    """``--no-plugins`` for the duration of a command."""
    global _no_plugins
    before, _no_plugins = _no_plugins, True
    try:
        yield
    finally:
        _no_plugins = before

"""The engine: the tandem, its steps, the store of artifacts.

``run_spec`` runs a spec; ``opened_run`` gives the steps one by one, to be called with other inputs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emgen.engine.cache import Store
    from emgen.engine.launch import RunResult, opened_run, run_spec
    from emgen.engine.run import Run

__all__ = ["Run", "RunResult", "Store", "opened_run", "run_spec"]

_HOMES = {"Run": "run", "RunResult": "launch", "Store": "cache", "opened_run": "launch", "run_spec": "launch"}


def __getattr__(name: str) -> Any:
    """Loaded when first asked for: other parts of emgen need a small module of this package only."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)

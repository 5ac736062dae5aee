"""Make room: keep what a run still reaches and fresh unfinished work, drop the rest."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from emgen.artifacts import MANIFEST, read_json
from emgen.engine.cache import Store, folder_bytes
from emgen.errors import OutputError

DAY_S = 86400.0


@dataclass(frozen=True)
class Pruned:
    """What was (or would be) removed, and the bytes that it held."""

    folders: tuple[Path, ...]
    bytes: int


def prune(store: Store, *, partial_days: float = 7.0, dry_run: bool = False, everything: bool = False) -> Pruned:
    """Removes artifacts that no run reaches and partials untouched for ``partial_days``. What is being written stays.

    Raises ``OutputError`` when no run is known, as then all would go; ``everything`` says that this is meant.
    """
    runs = [] if everything else store.runs()
    if not runs and not everything and store.artifacts():
        raise OutputError(
            f"{store.root}: no run that uses this store is known, so nothing would be kept. "
            "Say --all if every artifact may go."
        )
    reached = _reached(store, runs)
    doomed = [artifact.folder for artifact in store.artifacts() if artifact.key not in reached]
    doomed += [path for path in store.partials() if everything or _age_s(path) > partial_days * DAY_S]
    doomed = [path for path in doomed if not store.is_busy(path)]
    size = sum(folder_bytes(path) for path in doomed)
    if not dry_run:
        for path in doomed:
            shutil.rmtree(path)
    return Pruned(tuple(doomed), size)


def _reached(store: Store, runs: list[Path]) -> set[str]:
    """Keys in the manifests of the runs, and of everything that those artifacts were made from."""
    by_key = store.by_key()
    waiting = [step["key"] for run in runs for step in read_json(run / MANIFEST).get("steps", [])]
    reached: set[str] = set()
    while waiting:
        key = waiting.pop()
        if key in reached:
            continue
        reached.add(key)
        if key in by_key:
            inputs = by_key[key].manifest["recipe"].get("inputs", {})
            waiting += [str(value).partition("/")[0] for value in inputs.values() if isinstance(value, str)]
    return reached


def _age_s(folder: Path) -> float:
    newest = max((path.stat().st_mtime for path in folder.rglob("*")), default=folder.stat().st_mtime)
    return time.time() - newest

"""States of a training on the way, each a folder ``snapshots/<step>`` below the artifact being made.

A snapshot appears complete or not at all, and one that stands is not taken again: a training that was killed and
resumed keeps what it had.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from emgen.engine.cache import PARTIAL

SNAPSHOTS = "snapshots"
Save = Callable[[Path], None]


def snapshot_folder(root: Path, step: int) -> Path:
    """Where the state after so many steps is kept; names sort like steps."""
    return root / SNAPSHOTS / f"{step:06d}"


def keep_snapshot(root: Path, step: int, save: Save) -> Path:
    """The folder of the snapshot, written by ``save`` unless it stands already."""
    folder = snapshot_folder(root, step)
    if not folder.is_dir():
        fresh = folder.with_name(folder.name + PARTIAL)
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        save(fresh)
        fresh.rename(folder)
    return folder


def snapshots_of(root: Path) -> dict[int, Path]:
    """The complete snapshots below a folder, by step, in order."""
    found = sorted((root / SNAPSHOTS).glob("[0-9]*"))
    return {int(path.name): path for path in found if path.suffix != PARTIAL}

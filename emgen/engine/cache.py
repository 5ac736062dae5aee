"""The store: artifacts by the key of what decides them.

``<slot>-<key12>/`` is complete. ``<slot>-<key12>.partial/`` is being written or was interrupted; what a stage left in
its ``scratch/`` lets the next run go on from there. A finished artifact appears by one rename, after its manifest and
every file of it are on the disk.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from emgen.artifacts import MANIFEST, Artifact, array_shapes, read_json, write_json
from emgen.engine.lock import is_locked, locked
from emgen.engine.provenance import environment
from emgen.engine.recipe import Recipe
from emgen.errors import OutputError

PARTIAL = ".partial"
RECIPE = "recipe.json"
SCRATCH = "scratch"
DONE = "done.json"
STAGES = "stages"
"""The store of a run folder that shares none."""


@dataclass(kw_only=True)
class Draft:
    """An artifact on its way: a folder to fill, and a scratch folder for checkpoints that an interruption leaves."""

    folder: Path
    recipe: Recipe
    began: float = field(default_factory=time.monotonic)

    @property
    def scratch(self) -> Path:
        path = self.folder / SCRATCH
        path.mkdir(exist_ok=True)
        return path

    def empty(self, name: str) -> Path:
        """The folder ``name``, emptied of what an interrupted attempt left."""
        path = self.folder / name
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
        return path

    def done(self) -> int:
        """How many pieces an interrupted attempt had finished."""
        path = self.folder / DONE
        return int(read_json(path)["pieces"]) if path.exists() else 0

    def mark_done(self, pieces: int) -> None:
        write_json(self.folder / DONE, {"pieces": pieces})


class Store:
    """Artifacts below ``root``. Several processes may use one store; a lock keeps two from writing one artifact."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def find(self, recipe: Recipe) -> Artifact | None:
        """The complete artifact of a recipe, or ``None``."""
        artifact = Artifact(self.root / recipe.folder_name)
        if not (artifact.folder / MANIFEST).is_file():
            return None
        return artifact if artifact.key == recipe.key else None

    @contextmanager
    def draft(
        self,
        recipe: Recipe,
        *,
        should_stop: Callable[[], bool] = lambda: False,
        waiting: Callable[[], None] = lambda: None,
    ) -> Iterator[Draft | None]:
        """The folder to write into, or ``None`` when another process completed the artifact in the meantime.

        Leaving the block without ``commit`` keeps the folder, so that the next attempt resumes from it.
        """
        with locked(self.lock_path(recipe.folder_name), should_stop=should_stop, waiting=waiting):
            if self.find(recipe):
                yield None
                return
            folder = self.partial_path(recipe)
            folder.mkdir(parents=True, exist_ok=True)
            write_json(folder / RECIPE, {"key": recipe.key, "slot": recipe.slot, "recipe": recipe.document})
            yield Draft(folder=folder, recipe=recipe)

    def partial_path(self, recipe: Recipe) -> Path:
        return self.root / (recipe.folder_name + PARTIAL)

    def commit(
        self,
        draft: Draft,
        *,
        kind: str,
        config: Mapping[str, Any],
        facts: Mapping[str, Any],
        simulated: bool,
        device: str,
    ) -> Artifact:
        """Writes the manifest, forces all files to the disk, then renames: the artifact is complete or not there."""
        (draft.folder / DONE).unlink(missing_ok=True)
        shutil.rmtree(self.root / (draft.recipe.folder_name + ".old"), ignore_errors=True)
        _flush(draft.folder)
        manifest = {
            "kind": kind,
            "slot": draft.recipe.slot,
            "key": draft.recipe.key,
            "recipe": draft.recipe.document,
            "config": dict(config),
            "arrays": array_shapes(draft.folder),
            "facts": dict(facts),
            "simulated": simulated,
            "device": device,
            "environment": environment(),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": round(time.monotonic() - draft.began, 3),
        }
        write_json(draft.folder / MANIFEST, manifest)
        final = self.root / draft.recipe.folder_name
        if final.exists():  # an unreadable or foreign folder of that name
            final.rename(final.with_name(final.name + ".old"))
        draft.folder.rename(final)
        _sync_folder(self.root)
        shutil.rmtree(final / SCRATCH, ignore_errors=True)
        (final / RECIPE).unlink(missing_ok=True)
        return Artifact(final)

    def artifacts(self) -> list[Artifact]:
        """The complete ones, by name."""
        if not self.root.is_dir():
            return []
        folders = sorted(path for path in self.root.iterdir() if (path / MANIFEST).is_file())
        return [Artifact(path) for path in folders if path.suffix not in (PARTIAL, ".old")]

    def partials(self) -> list[Path]:
        """The unfinished ones."""
        return sorted(self.root.glob(f"*{PARTIAL}")) if self.root.is_dir() else []

    def by_key(self) -> dict[str, Artifact]:
        return {artifact.key: artifact for artifact in self.artifacts()}

    def lock_path(self, folder_name: str) -> Path:
        return self.root / ".locks" / f"{folder_name}.lock"

    def is_busy(self, partial: Path) -> bool:
        """True while some process writes the artifact."""
        return is_locked(self.lock_path(partial.name.removesuffix(PARTIAL)))

    def register_run(self, run_folder: Path) -> None:
        """Notes that a run uses this store, so that ``prune`` keeps what it reaches."""
        from emgen.engine.recipe import digest_text

        resolved = str(run_folder.resolve())
        write_json(self.root / ".runs" / f"{digest_text(resolved)[:16]}.json", {"run": resolved})

    def runs(self) -> list[Path]:
        """Folders of the runs that use the store and still have a manifest; the folder above the store counts too."""
        noted = [Path(read_json(path)["run"]) for path in sorted((self.root / ".runs").glob("*.json"))]
        folders = {path.resolve() for path in [self.root.parent, *noted]}
        return sorted(path for path in folders if (path / MANIFEST).is_file())


def folder_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def check_writable(folder: Path, need_bytes: int = 0) -> None:
    """Raises ``OutputError`` when ``folder`` cannot be written or its disk has too little room."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".probe-{os.getpid()}"
        probe.write_bytes(b"emgen")
        probe.unlink()
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror or error}). Choose another folder.") from error
    if free < need_bytes:
        raise OutputError(
            f"{folder}: {_mib(free)} free, this run may need {_mib(need_bytes)}. Free some space, choose another "
            "folder, or lower virtual.images or data.crop."
        )


def _mib(count: int) -> str:
    return f"{count / 2**20:,.0f} MiB"


def _flush(folder: Path) -> None:
    """Forces every file to the disk and drops what a killed process left half-written."""
    files = [path for path in folder.rglob("*") if path.is_file() and SCRATCH not in path.relative_to(folder).parts]
    torn = [path for path in files if path.suffix in (PARTIAL, ".writing")]
    for path in torn:
        path.unlink()
    # A stack is hundreds of files, and the disk takes many waiting at once better than one after the other.
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(_sync_file, sorted(set(files) - set(torn))))


def _sync_file(path: Path) -> None:
    with open(path, "rb") as file:
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

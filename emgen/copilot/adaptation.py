"""A model for what comes in now, made while the old one goes on answering."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emgen.copilot.adapting import ORDER, OUTCOME, STAND, Order
from emgen.errors import EmgenError
from emgen.files import make_folder, write_json_file

if TYPE_CHECKING:
    from emgen.copilot.service import Service

NICENESS = 15
"""The adaptation takes what the service and the page leave."""
_LOOK_S = 1.0
IDLE, RUNNING, COMPARED, FAILED = "idle", "running", "compared", "failed"


class Adaptation:
    """At most one at a time, in a process of its own (``emgen.copilot.adapting``).

    A model that is clearly better on the label-free evidence is swapped in at once; any other can be, by hand. An
    adaptation that a kill of the service interrupted goes on at the next start, if its time is not over; a model that
    waits to be chosen still waits then.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._task: asyncio.Task[None] | None = None
        self._state, self._folder = IDLE, Path()
        self._outcome: dict[str, Any] = {}

    def modalities(self) -> list[str]:
        """What is installed."""
        return sorted(self._service.host.plugins("modality"))

    async def start(self, modality: str | None = None, minutes: float | None = None) -> None:
        """On the newest frames. ``modality``: of the frames; ``None`` finds it out. Nothing where one is running."""
        if self._state == RUNNING:
            return
        service, settings = self._service, self._service.settings
        # Read by their stored files: of a file with many frames, all are learnt from.
        rows = await asyncio.to_thread(service.journal.newest, settings.adapt_frames)
        if self._state == RUNNING:  # asked for twice at once
            return
        files = dict.fromkeys(str(service.places.frame_file(row["stored"]).absolute()) for row in reversed(rows))
        folder = service.places.adaptations / f"{1 + _last_number(service.places.adaptations):04d}"
        make_folder(folder)
        order = Order(
            model=_absolute(service.worker.setup.model),
            frames=tuple(files),
            modality=modality,
            minutes=minutes or settings.adapt_minutes,
        )
        write_json_file(folder / ORDER, {**asdict(order), "frames": list(order.frames)})
        kept = {"folder": folder.name, "until": time.time() + 60 * order.minutes}
        self._tell("started", {"adaptation": kept, "candidate": None}, frames=len(files), minutes=order.minutes)
        self._begin(folder, 60 * order.minutes)

    def resume(self) -> None:
        """What an earlier start of the service left unfinished, or undecided."""
        if candidate := self._service.journal.kept("candidate"):
            self._offer(candidate)
        kept = self._service.journal.kept("adaptation")
        if not kept:
            return
        folder, left = self._service.places.adaptations / kept["folder"], kept["until"] - time.time()
        if left > 0 and (folder / ORDER).exists():
            self._begin(folder, left)

    def _offer(self, candidate: dict[str, Any]) -> None:
        """Once more, the new model that nobody has chosen yet."""
        self._folder = self._service.places.adaptations / candidate["folder"]
        outcome = candidate["outcome"]
        place = self._service.places.usable(outcome["model"])
        if Path(place).exists():
            self._state, self._outcome = COMPARED, {**outcome, "model": place}
        else:
            self._end({"error": f"adaptation {self._folder.name}: its model is gone ({place}). Adapt again."})

    def _begin(self, folder: Path, seconds: float) -> None:
        self._state, self._folder, self._outcome = RUNNING, folder, {}
        self._task = asyncio.create_task(self._carry_out(folder, seconds))
        self._service.news.tell()

    async def _carry_out(self, folder: Path, seconds: float) -> None:
        try:
            process = await _started(folder)
            try:
                await asyncio.wait_for(self._followed(process), seconds)
            except TimeoutError:
                self._end({"error": f"not finished within its {seconds / 60:.0f} minutes. Give it more time."})
                return
            finally:
                await _ended(process)
            self._end(_outcome(folder))
        except OSError as error:
            self._end({"error": f"could not be started ({error})"})
        if self._outcome.get("accepted"):
            try:
                await self.use_candidate("clearly better on the newest frames")
            except (EmgenError, OSError) as error:  # it can still be chosen by hand
                self._tell(FAILED, error=f"the new model could not be loaded ({error})")

    async def _followed(self, process: asyncio.subprocess.Process) -> None:
        ending = asyncio.create_task(process.wait())
        while not (await asyncio.wait({ending}, timeout=_LOOK_S))[0]:
            self._service.news.tell()

    def _end(self, outcome: dict[str, Any]) -> None:
        self._outcome = outcome
        self._state = FAILED if "error" in outcome else COMPARED
        self._tell(self._state, {"adaptation": None, "candidate": self._candidate()}, **outcome)

    def _candidate(self) -> dict[str, Any] | None:
        """For the next start, what it needs to offer the new model again."""
        if self._state != COMPARED or "model" not in self._outcome:
            return None
        place = self._service.places.portable(self._outcome["model"])
        return {"folder": self._folder.name, "outcome": {**self._outcome, "model": place}}

    def _tell(self, state: str, kept: dict[str, Any] | None = None, /, **facts: Any) -> None:
        self._service.journal.tell("adaptation", {"state": state, **facts}, kept)
        self._service.news.tell()

    async def use_candidate(self, why: str = "chosen by hand") -> bool:
        """Swaps the new model in between two frames; false where there is none."""
        if self._state != COMPARED or "model" not in self._outcome:
            return False
        await self._service.use(self._outcome["model"], f"adaptation {self._folder.name}: {why}")
        self._state = IDLE
        self._service.journal.keep("candidate", None)
        self._service.news.tell()
        return True

    async def stop(self) -> None:
        """Gives it up; what it has made stays in its folder."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait({self._task})
            self._end({"error": "stopped by hand"})

    async def close(self) -> None:
        """With the service. The next start resumes it."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait({self._task})

    def told(self) -> dict[str, Any]:
        """As JSON."""
        stand = _read(self._folder / STAND) if self._state == RUNNING else {}
        outcome = self._outcome
        comparison = None
        if "score" in outcome:
            names = ("low", "high", "difference", "accepted", "why")
            comparison = {"new": outcome["score"], "old": outcome["before"], **{name: outcome[name] for name in names}}
        return {
            "state": self._state,
            "progress": stand.get("progress", 0.0),
            "words": outcome.get("error") or outcome.get("why") or stand.get("words", ""),
            "modality": outcome.get("modality"),
            "modalities": self.modalities(),
            "minutes": self._service.settings.adapt_minutes,
            "comparison": comparison,
            "candidate": outcome.get("model"),
        }


def _last_number(adaptations: Path) -> int:
    """Of the folders that are there; none is written into twice, also where an older one was deleted."""
    return max((int(folder.name) for folder in adaptations.iterdir() if folder.name.isdecimal()), default=0)


def _absolute(model: str) -> str:
    """Shipped names stay as they are."""
    path = Path(model)
    return str(path.absolute()) if path.exists() else model


async def _started(folder: Path) -> asyncio.subprocess.Process:
    """One core is left to the service where there is more than one."""
    threads = max(1, (os.cpu_count() or 1) - 1)
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    command = [sys.executable, "-m", "emgen.copilot.adapting", str(folder)]
    niced = ["nice", "-n", str(NICENESS), *command] if os.name == "posix" else command
    with (folder / "log.txt").open("ab") as log:
        return await asyncio.create_subprocess_exec(*niced, stdout=log, stderr=log, env=environment)


async def _ended(process: asyncio.subprocess.Process) -> None:
    """Asked first, as a run that is asked keeps what it has; killed where it does not listen."""
    if process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), 10)
    except TimeoutError:
        process.kill()
        await process.wait()


def _outcome(folder: Path) -> dict[str, Any]:
    if found := _read(folder / OUTCOME):
        return found
    log = folder / "log.txt"
    last = log.read_text(errors="replace").strip().splitlines()[-1:] if log.exists() else []
    return {"error": f"it ended without a result. {' '.join(last)}".strip()}


def _read(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found

"""The service: frames come in, one process answers them, everything is journalled; the page and scripts look on.

What runs side by side in the event loop: the folder that is watched, the loop that answers, the adaptation, and the
server. Work that takes time is done elsewhere: segmentation in its own process (``emgen.copilot.worker``), disk and
journal in threads.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from emgen.copilot.adaptation import Adaptation
from emgen.copilot.alarm import Alarm
from emgen.copilot.answer import Answer
from emgen.copilot.answering import DiskFull, Setup, Unusable
from emgen.copilot.exports import Exports
from emgen.copilot.folder import Folder
from emgen.copilot.intake import Intake, Taken
from emgen.copilot.journal import Journal, Task, passes
from emgen.copilot.news import News
from emgen.copilot.places import Places
from emgen.copilot.settings import Policy, Settings
from emgen.copilot.sizes import SessionSizes, Sizes, interval_of_mean, sizes_of_frame
from emgen.copilot.stalls import StalledError, told_of_journal
from emgen.copilot.trend import Latency, Trend
from emgen.copilot.uploads import Uploads
from emgen.copilot.worker import Worker, WorkerDiedError
from emgen.engine.lock import is_locked, locked
from emgen.errors import EmgenError, ModelError, OutputError

if TYPE_CHECKING:
    from emgen.host import Host

T = TypeVar("T")

ATTEMPTS = 2
"""A frame over which the process dies so often is set aside."""
_WAITS = 1000
_UPLOADS_KEPT_S = 7 * 24 * 3600.0
_ROOM_S = 2.0
"""How often a full disk is looked at again."""
_RESTARTS_S = (1.0, 60.0)
"""How long is waited before a process that segments is started anew: at first, and at most."""
UNITS = ("nm", "px")


class Service:
    """One session. ``async with Service(settings, host) as service: await service.run()``.

    Attributes
    ----------
    journal, places, uploads: of the session. news: told whenever something has changed.
    latency: seconds by stage. trend, sizes: of the session, by unit.
    counted_from: the first frame of these. stalled: why nothing comes in (a full disk, say), else empty.
    """

    def __init__(self, settings: Settings, host: Host, tell: Callable[[str], None] = lambda line: None) -> None:
        self.settings, self.host, self._tell = settings, host, tell
        self.places = Places(settings.root)
        self.news, self.latency = News(), Latency()
        self.trend: dict[str, Trend] = {}
        self.sizes: dict[str, SessionSizes] = {}
        self.policy: Policy = settings.policy or "all"
        self.stalled = ""
        self.is_paused = False
        self.answering: int | None = None
        self.counted_from = 0
        self._held, self._woken = ExitStack(), asyncio.Event()
        self._counting, self._loading = asyncio.Lock(), asyncio.Lock()
        self._next: Worker | None = None
        self._recovering: asyncio.Task[None] | None = None
        self._waits: dict[int, dict[str, float]] = {}

    async def __aenter__(self) -> Service:
        """Raises ``OutputError`` where the session's folder is in use or cannot be written, ``ModelError``."""
        self.places.make()
        lock = self.places.root / "session.lock"
        if is_locked(lock):
            raise OutputError(f"{self.places.root}: another service has this session open. Choose another --session.")
        self._held.enter_context(locked(lock))
        self.journal = Journal(self.places.root)
        self._held.callback(self.journal.close)
        self.intake = Intake(self.journal, self.places, self.host, self.settings.reserve)
        self.exports = Exports(self.journal, self.places, self._tell)
        self.uploads = Uploads(self.journal, self.places, self.intake, self.settings.limit)
        await asyncio.to_thread(self._recall)
        place = self.places.usable(self.journal.kept("model", self.settings.model))
        chosen = self.journal.kept("asked for") == self.settings.model
        self.journal.keep("settings", self.settings.told())
        await self._begin_with(place if chosen else self.settings.model)
        self.adaptation = Adaptation(self)
        self.adaptation.resume()
        return self

    async def __aexit__(self, *error: object) -> None:
        if self._recovering is not None:
            self._recovering.cancel()
        if hasattr(self, "adaptation"):
            await self.adaptation.close()
        for worker in (self._next, getattr(self, "worker", None)):
            if worker is not None:
                await asyncio.to_thread(worker.stop)
        self._held.close()

    def _recall(self) -> None:
        """Choices and counters of an earlier start, from the journal."""
        self._recall_choices()
        self.counted_from = self.journal.kept("counted from", 0)
        self._count_all()
        for left_over in self.places.uploads.iterdir():
            if left_over.suffix == ".taken" or time.time() - left_over.stat().st_mtime > _UPLOADS_KEPT_S:
                left_over.unlink(missing_ok=True)

    def _recall_choices(self) -> None:
        """As they were left; a policy that the last start did not ask for goes over that."""
        asked = self.settings.policy
        if asked is not None and asked != self.journal.kept("policy asked for"):
            self.journal.keep("policy", asked)
            self.journal.keep("policy asked for", asked)
        self.policy = self.journal.kept("policy", "all")
        self.is_paused = self.journal.kept("paused", False)
        if self.is_paused:
            self._tell("the session is paused, as it was left: frames are taken, and answered once it is resumed")

    def _count_all(self) -> None:
        """The session's distribution and lines anew."""
        self.trend = {unit: Trend() for unit in UNITS}
        self.sizes = {unit: SessionSizes(unit) for unit in UNITS}
        for row in self.journal.answered(self.counted_from):
            self._count(row, np.frombuffer(row["sizes"], "<f4"))

    async def _begin_with(self, place: str) -> None:
        self.worker = await Worker.start(self._setup(place))
        self._adopt("the service was started")
        self.journal.keep("asked for", self.settings.model)

    def _setup(self, place: str) -> Setup:
        """One place has one name, however it was called: else it would be another model."""
        return self.settings.setup(self.places.usable(self.places.portable(place)))

    def _adopt(self, why: str) -> None:
        """The worker's model answers from now on."""
        place = self.worker.setup.model
        known = self.journal.models()
        if known and known[-1]["digest"] == self.worker.ready.digest and known[-1]["place"] == place:
            self.model = int(known[-1]["id"])
        else:
            self.model = self.journal.use_model(place, self.worker.ready.digest, why)
        self.journal.keep("model", self.places.portable(place))
        self.alarm = Alarm(
            self.worker.ready.domain, self.settings.false_alarms, self.journal.kept(f"alarm of {self.model}")
        )

    # The loops.

    async def run(self) -> None:
        """Watches and answers until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._answer_all())
            if self.settings.watch is not None:
                group.create_task(self._watch(self.settings.watch).follow())

    def _watch(self, folder: Any) -> Folder:
        from emgen.data.opening import suffixes_of

        return Folder(
            folder,
            self.journal,
            self.intake,
            poll=self.settings.poll,
            settle_s=self.settings.settle_s,
            grace_s=self.settings.grace_s,
            suffixes=suffixes_of(self.host),
            taken=self.came_in,
            refused=self.news.tell,
            stalled=self._wait_for_room,
            tell=self._tell,
        )

    def came_in(self, taken: Taken, seconds: dict[str, float]) -> None:
        """New frames stand in the journal; ``seconds``: what it took, by stage."""
        for frame in taken.frames[:_WAITS]:
            self._waits[frame] = seconds
        while len(self._waits) > _WAITS:  # of frames that were skipped, or that wait for long
            del self._waits[next(iter(self._waits))]
        self._woken.set()
        self.news.tell()

    async def _answer_all(self) -> None:
        while True:
            self._woken.clear()
            await self._swap_if_asked()
            task = None if self.is_paused else await self._journalled(self._next_task)
            if task is None:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._woken.wait(), 1.0)
                continue
            self.answering = task.frame
            try:
                await self._answer(task)
            finally:
                self.answering = None
            self.news.tell()

    def _next_task(self) -> Task | None:
        return self.journal.next_task(newest=self.policy == "newest")

    async def _answer(self, task: Task) -> None:
        begun = time.time()
        try:
            found = await self.worker.answer(task)
        except WorkerDiedError as error:
            await self._after_death(task, error)
            return
        if isinstance(found, DiskFull):
            await self._wait_for_room(StalledError(found.reason))
        elif isinstance(found, Unusable):
            await self._journalled(lambda: self.journal.fail(task.frame, found.reason))
        else:
            await self._keep(task, found, begun)

    async def _keep(self, task: Task, found: Answer, begun: float) -> None:
        """The answer into the journal and the counters."""
        change = self.alarm.add(found)
        before = time.time()
        kept = {f"alarm of {self.model}": self.alarm.state}
        async with self._counting:
            event = await self._journalled(lambda: self.journal.answer(found, self.model, change, kept))
            if event is None:
                return
            row = {**found.columns(), "id": found.frame, "at": task.closed_at or task.received_at}
            self._count(row, found.diameter_K)
        answered = event["data"]["answered_at"]
        seconds = {
            **self._waits.pop(task.frame, {}),
            "wait": max(0.0, begun - task.received_at),
            **found.seconds,
            "journal": time.time() - before,
            "closed to answer": max(0.0, answered - (task.closed_at or task.received_at)),
        }
        self.latency.add(seconds)

    def _count(self, row: Mapping[str, Any], diameter_K: Any) -> None:
        """One frame more in the session's distribution and lines."""
        if int(row["id"]) < self.counted_from:
            return
        size = row["pixel_size_nm"]
        at = row.get("at") or row.get("closed_at") or row.get("received_at")
        for unit, factor in (("px", 1.0), ("nm", size)):
            if factor is None:
                continue
            values = np.asarray(diameter_K, float) * factor
            self.sizes[unit].add(int(row["id"]), values)
            low, high = interval_of_mean(values)
            self.trend[unit].add(
                at=at,
                mean=float(values.mean()) if len(values) else None,
                low=low,
                high=high,
                particles=row["particles"],
                coverage=row["coverage"],
                domain=row["domain_score"],
            )

    async def _after_death(self, task: Task, error: WorkerDiedError) -> None:
        """Starts the process anew; the frame it died over is tried once more, then set aside."""
        self._tell(f"{task.name}: the process that segments has died ({error}); it is started again")
        await self._journalled(lambda: self.journal.attempted(task.frame))
        if task.attempts + 1 >= ATTEMPTS:
            reason = f"{task.name}: the process that segments dies over it ({error})."
            await self._journalled(lambda: self.journal.fail(task.frame, reason))
        await self._journalled(lambda: self.journal.tell("restarted", {"reason": str(error), "frame": task.frame}))
        await asyncio.to_thread(self.worker.stop)
        await self._start_anew(self.worker.setup)

    async def _start_anew(self, setup: Setup) -> None:
        """Until it can be: others may fill the GPU, a share may be away. A swap that is asked for goes before."""
        wait, longest = _RESTARTS_S
        while self._next is None:
            try:
                self.worker = await Worker.start(setup)
                return
            except (ModelError, OSError) as error:
                self._tell(f"the process that segments cannot be started; it is tried again in {wait:.0f} s: {error}")
            await asyncio.sleep(wait)
            wait = min(2 * wait, longest)

    async def _journalled(self, write: Callable[[], T]) -> T:
        """Where the disk is full it waits until there is room; nothing is given up."""
        while True:
            try:
                return await asyncio.to_thread(write)
            except sqlite3.OperationalError as error:
                if not passes(error):
                    raise
                await self._wait_for_room(told_of_journal(error, self.journal.path))

    async def _wait_for_room(self, error: EmgenError) -> None:
        self.stall(error)
        await asyncio.sleep(_ROOM_S)

    def stall(self, error: EmgenError) -> None:
        """Something could not be written, for want of room or else. The page says why until it can be again."""
        if not self.stalled:
            self._tell(str(error))
        self.stalled = str(error)
        self.news.tell()
        if self._recovering is None or self._recovering.done():
            self._recovering = asyncio.create_task(self._recover())

    async def _recover(self) -> None:
        while self.stalled:
            await asyncio.sleep(_ROOM_S)
            try:
                await asyncio.to_thread(self.intake.check_disk)
            except StalledError as still:
                self.stalled = str(still)
            else:
                self.stalled = ""
                self._tell(f"{self.places.root} can be written again; intake goes on")
            self.news.tell()

    # What a user can ask for.

    def pause(self, paused: bool) -> None:
        """Frames still come in and are journalled; none is answered while paused."""
        self.is_paused = paused
        self._woken.set()
        self.journal.tell("paused" if paused else "resumed", {}, kept={"paused": paused})
        self.news.tell()

    def set_policy(self, policy: Policy) -> None:
        self.policy = policy
        self.journal.tell("policy", {"policy": policy}, kept={"policy": policy})
        self.news.tell()

    def process_skipped(self) -> int:
        asked = self.journal.process_skipped()
        self._woken.set()
        self.news.tell()
        return asked

    def process_failed(self) -> int:
        """Tries frames again that could not be segmented, e.g. when the machine was short of memory."""
        asked = self.journal.process_failed()
        self._woken.set()
        self.news.tell()
        return asked

    def mark(self, frame: int, marked: bool, remark: str = "") -> bool:
        found = self.journal.mark(frame, marked, remark)
        self.news.tell()
        return found

    async def count_from(self, frame: int) -> None:
        """The session's size distribution and lines begin with this frame; 0: with the first."""
        async with self._counting:
            self.counted_from = frame = max(0, min(frame, self.journal.last_frame() + 1))
            self.journal.keep("counted from", frame)
            self.journal.tell("counted from", {"frame": frame})
            await asyncio.to_thread(self._count_all)
        self.news.tell()

    async def use(self, model: str, why: str) -> None:
        """Loads another model beside the one that answers, which goes on until then; swaps between two frames.

        Raises ``ModelError``.
        """
        async with self._loading:  # one after the other: each takes a model's memory
            fresh = await Worker.start(self._setup(model))
            self._next, self._why = fresh, why
            self._woken.set()
            while self._next is fresh:
                await asyncio.sleep(0.02)

    async def _swap_if_asked(self) -> None:
        if self._next is None:
            return
        old, fresh, why = self.worker, self._next, self._why
        self.worker = fresh
        await self._journalled(lambda: self._adopt(why))
        if self._next is fresh:
            self._next = None
        self.news.tell()
        await asyncio.to_thread(old.stop)

    async def go_back(self) -> bool:
        """To the model before; false where there is none."""
        earlier = [row for row in self.journal.models() if row["place"] != self.worker.setup.model]
        if not earlier:
            return False
        await self.use(earlier[-1]["place"], "gone back by hand")
        return True

    # What is to be seen.

    def shown(self, frame: int, seconds: float) -> None:
        """A page tells that it shows a frame; ``seconds`` since the answer."""
        self.latency.add({"page": seconds})

    @property
    def unit(self) -> str:
        """nm where any frame has a pixel size."""
        return "nm" if self.sizes["nm"].frames else "px"

    def sizes_of(self, frame: int) -> Sizes | None:
        """Of one frame, in nm where its pixel size is known."""
        row, data = self.journal.frame(frame), self.journal.diameters(frame)
        if row is None or data is None:
            return None
        size = row["pixel_size_nm"]
        diameter_K = np.frombuffer(data, "<f4").astype(float) * (size or 1.0)
        return sizes_of_frame(diameter_K, "nm" if size else "px")

    def session(self) -> dict[str, Any]:
        """The whole state, as JSON."""
        info = self.worker.ready.info
        return {
            "event": self.journal.last_event(),
            "frame": self.journal.last_answered(),
            "counts": self.journal.counts(),
            "waiting": self.journal.waiting(),
            "answering": self.answering,
            "paused": self.is_paused,
            "policy": self.policy,
            "stalled": self.stalled,
            "watching": None if self.settings.watch is None else str(self.settings.watch),
            "model": {
                "id": self.model,
                "place": self.worker.setup.model,
                "digest": self.worker.ready.digest,
                "modality": info.get("modality"),
                "simulated": bool(info.get("simulated")),
            },
            "models": len(self.journal.models()),
            "alarm": self.alarm.told(),
            "adaptation": self.adaptation.told(),
            "unit": self.unit,
            "counted_from": self.counted_from,
            "sizes": self.sizes[self.unit].sizes().told(),
            "latency": self.latency.told(),
        }

"""What goes wrong in a night: names that are no text, shares that go away, full disks, drivers that fail."""

from __future__ import annotations

import asyncio
import errno
import multiprocessing
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tifffile
from fastapi import FastAPI
from starlette.testclient import TestClient

from emgen.copilot import folder as folder_module
from emgen.copilot import service as service_module
from emgen.copilot import worker as worker_module
from emgen.copilot.adaptation import RUNNING, Adaptation, _last_number
from emgen.copilot.answering import Answerer, Broken, DiskFull, Setup
from emgen.copilot.folder import Folder
from emgen.copilot.header import Header
from emgen.copilot.intake import DiskFullError, Intake, NoRoomForItError, header_of
from emgen.copilot.journal import Arrival, Journal, Task
from emgen.copilot.places import Places
from emgen.copilot.service import Service
from emgen.copilot.settings import Settings
from emgen.copilot.uploads import Uploads
from emgen.copilot.watch import Arrival as Seen
from emgen.copilot.worker import Worker, WorkerDiedError
from emgen.errors import DataError, ModelError
from emgen.host import load_host

INSTANT = "emgen.testing.instant:open_model"


@pytest.fixture
def session(tmp_path: Path) -> SimpleNamespace:
    places = Places(tmp_path / "session")
    places.make()
    journal, host = Journal(places.root), load_host()
    intake = Intake(journal, places, host, reserve=0)
    made = SimpleNamespace(places=places, journal=journal, intake=intake, watched=tmp_path / "in", stalls=[], told=[])
    made.watched.mkdir()

    async def disk_full(error: DiskFullError) -> None:
        made.stalls.append(error)

    made.folder = Folder(
        made.watched,
        journal,
        intake,
        poll=False,
        settle_s=0.01,
        grace_s=0.05,
        suffixes={".tif"},
        taken=lambda taken, seconds: None,
        refused=lambda: None,
        disk_full=disk_full,
        tell=made.told.append,
    )
    return made


def a_file(folder: Path, name: str = "a.tif", seed: int = 0) -> Path:
    tifffile.imwrite(folder / name, np.random.default_rng(seed).integers(0, 200, (40, 48), np.uint8))
    return folder / name


def seen(path: Path) -> Seen:
    about = os.stat(path)
    return Seen(path, about.st_size, about.st_mtime_ns, about.st_mtime)


async def taken_in(session: SimpleNamespace, found: Seen, until: Callable[[], bool]) -> None:
    """Until ``until`` holds, or nothing goes on."""
    await session.folder._take(found)
    async with asyncio.timeout(5):
        while not until() and session.folder._retries:
            await asyncio.sleep(0.01)
    for retry in session.folder._retries:
        retry.cancel()


@pytest.mark.skipif(os.name != "posix", reason="names are text there")
def test_a_name_that_is_no_text_is_taken_as_any_other(session: SimpleNamespace) -> None:
    path = a_file(session.watched).rename(session.watched / os.fsdecode(b"5\xb5m.tif"))
    found = seen(path)
    arrival = session.folder._arrival(path, found.size, found.mtime_ns)
    assert not session.journal.is_known(arrival)
    asyncio.run(taken_in(session, found, lambda: False))
    assert session.journal.counts()["received"] == 1
    assert session.journal.is_known(arrival)
    assert session.journal.next_task(newest=False).name == "5\ufffdm"


def test_a_share_that_goes_away_loses_no_frame(session: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    found, take = seen(a_file(session.watched)), session.intake.take_file
    is_away = True

    def take_file(*arguments: Any) -> Any:
        if is_away:
            raise OSError(errno.EIO, "the share is away")
        return take(*arguments)

    def told() -> bool:
        nonlocal is_away
        is_away = not session.journal.counts()["refused"]
        return session.journal.counts()["received"] == 1

    monkeypatch.setattr(session.intake, "take_file", take_file)
    monkeypatch.setattr(folder_module, "_LATER_S", 0.01)
    asyncio.run(taken_in(session, found, told))
    assert session.journal.counts()["refused"] == 1, "it is said"
    assert session.journal.counts()["received"] == 1, "and taken once it can be"


def test_what_vanished_is_taken_when_it_is_there_again(session: SimpleNamespace) -> None:
    path = a_file(session.watched)
    found, elsewhere = seen(path), path.rename(path.with_suffix(".away"))
    asyncio.run(taken_in(session, found, lambda: False))
    assert session.journal.set_aside()[0]["reason"] == "deleted or renamed before it could be read"
    elsewhere.rename(path)
    assert not session.journal.is_known(session.folder._arrival(path, found.size, found.mtime_ns))


def test_what_is_no_micrograph_is_known_and_not_copied(
    session: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    (session.watched / "notes.txt").write_text("x")
    found = seen(session.watched / "notes.txt")
    monkeypatch.setattr("emgen.copilot.intake._copied", lambda source, target: pytest.fail("it was copied"))
    asyncio.run(taken_in(session, found, lambda: False))
    assert session.journal.is_known(session.folder._arrival(found.path, found.size, found.mtime_ns))


def test_one_file_that_does_not_fit_keeps_no_other_waiting(
    session: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(session.watched)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=5_000_000_000))
    session.intake.check_room(4_000_000_000)
    with pytest.raises(NoRoomForItError, match=r"6\.00 GB do not fit"):
        session.intake.check_room(6_000_000_000)
    monkeypatch.setattr(session.intake, "take_file", lambda *given: session.intake.check_room(6_000_000_000))
    asyncio.run(taken_in(session, seen(a_file(session.watched)), lambda: session.journal.counts()["refused"] == 1))
    assert not session.stalls


def test_a_journal_that_finds_no_room_is_waited_for(session: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    accept, refusals = session.journal.accept, [sqlite3.OperationalError("database or disk is full")]

    def full_once(*given: Any, **named: Any) -> Any:
        if refusals:
            raise refusals.pop()
        return accept(*given, **named)

    monkeypatch.setattr(session.journal, "accept", full_once)
    asyncio.run(taken_in(session, seen(a_file(session.watched)), lambda: False))
    assert len(session.stalls) == 1
    assert session.journal.counts()["received"] == 1


def test_an_upload_is_on_the_disk_before_it_is_acknowledged(
    session: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    fsync = os.fsync

    def noted(descriptor: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        fsync(descriptor)

    if not Path("/proc/self/fd").exists():
        pytest.skip("needs /proc")
    monkeypatch.setattr(os, "fsync", noted)
    uploads = Uploads(session.journal, session.places, session.intake, limit=1_000_000)
    uploads.take_whole(a_file(session.watched).read_bytes(), Header(name="a.tif"))
    stored = session.places.frame_file(session.journal.next_task(newest=False).stored).resolve()
    assert {str(stored), str(stored.parent), str(stored.parent.parent)} <= set(synced)


def test_a_full_disk_under_an_upload_is_told_as_such(session: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    uploads = Uploads(session.journal, session.places, session.intake, limit=1_000_000)

    def full(*given: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as no_room:
        no_room.setattr(Path, "open", full)
        with pytest.raises(DiskFullError):
            uploads.add("0" * 64, 0, b"x", Header(name="a.tif", size=2))


def test_times_are_numbers() -> None:
    with pytest.raises(DataError, match="closed_at"):
        header_of({"closed_at": float("inf")})


# The process that segments.


def a_task() -> Task:
    return Task(frame=1, name="f", stored="x", number=0, header={}, received_at=0.0, closed_at=None, attempts=0)


def a_worker(**process: Any) -> tuple[Worker, Any]:
    own, theirs = multiprocessing.Pipe()
    made = SimpleNamespace(join=lambda seconds: None, is_alive=lambda: False, exitcode=1, **process)
    return Worker(made, own, Setup(model="instant", root=Path())), theirs


def test_a_fault_nobody_foresaw_ends_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answerer = Answerer(Setup(model="instant", root=tmp_path, opener=INSTANT))
    for error, wanted in (
        (RuntimeError("CUDA error: an illegal memory access"), Broken),
        (OSError(errno.ENOSPC, "No space left on device"), DiskFull),
    ):

        def fails(task: Task, error: Exception = error) -> Any:
            raise error

        monkeypatch.setattr(answerer, "answer", fails)
        assert isinstance(answerer.try_answer(a_task()), wanted)


def test_after_a_fault_the_process_counts_as_dead() -> None:
    worker, theirs = a_worker()
    theirs.send(Broken("RuntimeError: CUDA error"))
    with pytest.raises(WorkerDiedError, match="CUDA error"):
        asyncio.run(worker.answer(a_task()))


def test_a_process_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "PATIENCE_S", 0.05)
    killed = threading.Event()
    worker, _theirs = a_worker(kill=killed.set)
    with pytest.raises(WorkerDiedError, match="silent"):
        asyncio.run(worker.answer(a_task()))
    assert killed.is_set()


def test_a_process_that_cannot_be_started_now_is_tried_until_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[Setup] = []

    async def start(setup: Setup) -> Any:
        tries.append(setup)
        if len(tries) < 3:
            raise ModelError("out of memory")
        return "a worker"

    async def restarted() -> None:
        service = Service(Settings(model="instant", root=tmp_path), load_host())
        await service._start_anew(service.settings.setup("instant"))
        assert service.worker == "a worker"

    monkeypatch.setattr(Worker, "start", start)
    monkeypatch.setattr(service_module, "_RESTARTS_S", (0.0, 0.0))
    asyncio.run(restarted())
    assert len(tries) == 3


def test_counting_from_a_frame_that_cannot_be_leaves_a_session_that_opens(tmp_path: Path) -> None:
    async def count() -> int:
        service = Service(Settings(model="instant", root=tmp_path), load_host())
        service.places.make()
        service.journal = Journal(tmp_path)
        service.journal.accept(Arrival("http", "a", 1), digest="d", stored="s", frames="abc", header={}, closed_at=None)
        await service.count_from(10**30)
        service._recall()
        return service.counted_from

    assert asyncio.run(count()) == 4


# Adaptation.


def test_two_clicks_begin_one_adaptation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[Path] = []

    async def click_twice() -> None:
        service: Any = SimpleNamespace(
            settings=Settings(model="instant", root=tmp_path), places=Places(tmp_path), journal=Journal(tmp_path)
        )
        service.worker = SimpleNamespace(setup=Setup(model="instant", root=tmp_path))
        service.news = SimpleNamespace(tell=lambda: None)
        service.places.make()
        adaptation = Adaptation(service)

        def begin(folder: Path, seconds: float) -> None:
            begun.append(folder)
            adaptation._state = RUNNING

        monkeypatch.setattr(adaptation, "_begin", begin)
        await asyncio.gather(adaptation.start(), adaptation.start())

    asyncio.run(click_twice())
    assert [folder.name for folder in begun] == ["0001"]


def test_a_folder_of_an_adaptation_is_never_used_again(tmp_path: Path) -> None:
    for name in ("0001", "0003"):
        (tmp_path / name).mkdir()
    assert _last_number(tmp_path) == 3


# The interface.


def an_interface(limit: int = 1000) -> tuple[TestClient, list[bytes]]:
    from emgen.copilot.routes import add_routes
    from emgen.copilot.uploads import Stand

    taken: list[bytes] = []

    def take_whole(data: bytes, header: Header) -> Stand:
        taken.append(data)
        return Stand(len(data), "accepted", (1,), True)

    service: Any = SimpleNamespace(
        journal=None, places=SimpleNamespace(), news=SimpleNamespace(tell=lambda: None), exports=None
    )
    service.places.picture = service.places.contours = service.places.labels_file = lambda frame: Path(__file__)
    service.uploads = SimpleNamespace(limit=limit, take_whole=take_whole)
    app = FastAPI()
    add_routes(app, service)
    return TestClient(app), taken


def test_a_form_is_no_way_around_the_limit() -> None:
    client, taken = an_interface()
    assert client.post("/frames", files={"file": ("a.tif", b"x" * 900)}).status_code == 200
    assert client.post("/frames", files={"file": ("a.tif", bytes(1200))}).status_code == 413
    answer = client.post("/frames", files={"file": ("a.tif", bytes(1_100_000))})
    assert (answer.status_code, answer.json()["reason"]) == (413, "the body is larger than 1049576 bytes.")
    assert taken == [b"x" * 900]


def test_pictures_are_those_of_this_session() -> None:
    client, _ = an_interface()
    first = client.get("/frames/1/picture.jpg")
    assert "no-cache" in first.headers["cache-control"]
    again = client.get("/frames/1/picture.jpg", headers={"If-None-Match": first.headers["etag"]})
    assert (first.status_code, again.status_code, again.content) == (200, 304, b"")


def test_a_stream_is_never_silent_for_long_though_there_is_news_that_is_no_event(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from emgen.copilot import routes
    from emgen.copilot.news import News

    async def listen() -> list[str]:
        service: Any = SimpleNamespace(news=News(), journal=SimpleNamespace(events=lambda after: []))

        async def tells() -> None:
            while True:
                service.news.tell()
                await asyncio.sleep(0.01)

        telling, stream = asyncio.create_task(tells()), routes._stream(service, 7)
        async with asyncio.timeout(5):
            heard = [await anext(stream), await anext(stream)]
        telling.cancel()
        return heard

    monkeypatch.setattr(routes, "HEARTBEAT_S", 0.05)
    assert asyncio.run(listen()) == ["id: 7\n: emgen copilot\n\n", ": still here\n\n"]


# What is noticed late.


def test_a_file_that_is_noticed_late_was_closed_when_it_was_written(tmp_path: Path) -> None:
    from emgen.copilot.watch import _Watcher

    async def notice() -> float:
        watcher = _Watcher(tmp_path, False, 0.2, None, lambda *known: False, False, 30.0, 0.25, print)
        now = time.time()
        watcher._notice("a.tif", (1, int((now - 10.05) * 1e9)), heard_at=now - 10)
        candidate = watcher._settling.get("a.tif")
        assert candidate is not None
        return now - candidate.closed_at

    assert asyncio.run(notice()) == pytest.approx(10.05, abs=0.01)

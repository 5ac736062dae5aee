"""What goes wrong in a night: names that are no text, shares that go away, full disks, drivers that fail."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import json
import multiprocessing
import os
import shutil
import sqlite3
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterable
from itertools import chain, repeat
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import tifffile
from fastapi import FastAPI
from starlette.testclient import TestClient

from emgen.copilot import folder as folder_module
from emgen.copilot import readable
from emgen.copilot import service as service_module
from emgen.copilot import worker as worker_module
from emgen.copilot.adaptation import RUNNING, Adaptation, _last_number
from emgen.copilot.answering import Answerer, Broken, DiskFull, Setup
from emgen.copilot.folder import Folder
from emgen.copilot.header import Header
from emgen.copilot.incoming import Incoming
from emgen.copilot.intake import Intake, header_of
from emgen.copilot.journal import Arrival, Journal, Task
from emgen.copilot.places import Places
from emgen.copilot.service import Service
from emgen.copilot.settings import Settings
from emgen.copilot.stalls import DiskFullError, NoRoomForItError, StalledError, UnwritableError, told
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

    async def stalled(error: StalledError) -> None:
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
        stalled=stalled,
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
    monkeypatch.setattr("emgen.copilot.intake._copy", lambda source, body: pytest.fail("it was copied"))
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
    (stall,) = session.stalls
    assert "database or disk is full" in str(stall)
    assert "free some space" in str(stall)
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
    with uploads.body() as body:
        body.write(a_file(session.watched).read_bytes())
        body.end()
        uploads.take_whole(body, Header(name="a.tif"))
    stored = session.places.frame_file(session.journal.next_task(newest=False).stored).resolve()
    assert {str(stored), str(stored.parent), str(stored.parent.parent)} <= set(synced)


def test_a_full_disk_under_an_upload_is_told_as_such(session: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    uploads = Uploads(session.journal, session.places, session.intake, limit=1_000_000)

    def full(*given: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as no_room:
        no_room.setattr(Path, "open", full)
        with pytest.raises(DiskFullError), uploads.body() as body:
            body.write(b"x")


REFUSALS = [
    (errno.EACCES, "Permission denied", "allow this user"),
    (errno.EROFS, "Read-only file system", "mount it for writing"),
    (errno.EIO, "Input/output error", "see to the disk"),
    (errno.ENOTDIR, "Not a directory", "put the folder back"),
]


@pytest.mark.parametrize(("code", "cause", "way_out"), REFUSALS)
def test_a_disk_that_refuses_is_waited_for_and_told_by_its_cause(
    session: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, code: int, cause: str, way_out: str
) -> None:
    replace, refusals = os.replace, [OSError(code, os.strerror(code))]

    def refused_once(*given: Any) -> None:
        if refusals:
            raise refusals.pop()
        replace(*given)

    monkeypatch.setattr(os, "replace", refused_once)
    asyncio.run(taken_in(session, seen(a_file(session.watched)), lambda: False))
    (stall,) = session.stalls
    assert isinstance(stall, UnwritableError)
    assert cause in str(stall)
    assert way_out in str(stall)
    assert "full" not in str(stall)
    assert (session.journal.counts()["received"], session.journal.counts()["refused"]) == (1, 0)


def test_a_session_that_is_away_is_no_watched_file_that_was_deleted(session: SimpleNamespace) -> None:
    elsewhere = session.places.root.with_name("elsewhere")
    session.places.root.rename(elsewhere)
    with pytest.raises(StalledError, match=r"No such file .* put the folder back"):
        session.intake.take_file(a_file(session.watched), Arrival("folder", "a.tif"), Header(name="a.tif"))
    assert not session.places.root.exists(), "nothing lies below where a share is mounted"
    with pytest.raises(StalledError, match="No such file"):
        session.intake.check_disk()
    elsewhere.rename(session.places.root)
    session.intake.check_disk()
    assert not list(session.places.root.rglob(".emgen*"))


def test_a_disk_is_there_again_when_files_can_be_written_to_it(
    session: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Path.write_bytes

    def refused(path: Path, data: bytes) -> int:
        if path.parent.name == "labels":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return write(path, data)

    session.intake.check_disk()
    monkeypatch.setattr(Path, "write_bytes", refused)
    with pytest.raises(UnwritableError, match=r"labels.*Permission denied.*allow this user"):
        session.intake.check_disk()


def test_results_that_cannot_be_written_are_told_by_their_cause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "labels").write_text("no folder")
    Places(tmp_path).make()
    answerer = Answerer(Setup(model="instant", root=tmp_path, opener=INSTANT))
    stored = Places(tmp_path).frame_file("x.tif")
    stored.write_bytes(a_file(tmp_path).read_bytes())
    task = Task(frame=1, name="f", stored="x.tif", number=0, header={}, received_at=0.0, closed_at=None, attempts=0)
    answer = answerer.try_answer(task)
    assert isinstance(answer, DiskFull)
    assert "Not a directory" in answer.reason
    assert "put the folder back" in answer.reason


def test_a_reader_that_hangs_sets_its_file_aside(session: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    come_back, tries = threading.Event(), []

    def hang(path: Path, host: Any) -> int:
        tries.append(path)
        come_back.wait(10)
        return 1

    monkeypatch.setattr(readable, "_read", hang)
    monkeypatch.setattr(readable, "_PATIENCE_S", 0.05)
    asyncio.run(taken_in(session, seen(a_file(session.watched)), lambda: False))
    come_back.set()
    assert session.journal.set_aside()[0]["reason"].startswith("a.tif: its reader has not come back")
    assert len(tries) == 1, "another try would hang as well"


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


def an_interface(folder: Path, limit: int = 1000) -> tuple[TestClient, list[bytes]]:
    from emgen.copilot.routes import add_routes
    from emgen.copilot.uploads import Stand

    taken: list[bytes] = []
    real = Places(folder)
    real.make()

    def take_whole(body: Incoming, header: Header) -> Stand:
        taken.append(body.path.read_bytes())
        return Stand(body.size, "accepted", (1,), True)

    service: Any = SimpleNamespace(
        journal=None, places=SimpleNamespace(), news=SimpleNamespace(tell=lambda: None), exports=None
    )
    service.places.picture = service.places.contours = service.places.labels_file = lambda frame: Path(__file__)
    body = lambda coming: Incoming(real, lambda bytes_more: None, coming)
    service.uploads = SimpleNamespace(limit=limit, take_whole=take_whole, body=body)
    app = FastAPI()
    add_routes(app, service)
    return TestClient(app), taken


def test_a_form_is_no_way_around_the_limit(tmp_path: Path) -> None:
    client, taken = an_interface(tmp_path)
    assert client.post("/frames", files={"file": ("a.tif", b"x" * 900)}).status_code == 200
    assert client.post("/frames", files={"file": ("a.tif", bytes(1200))}).status_code == 413
    answer = client.post("/frames", files={"file": ("a.tif", bytes(1_100_000))})
    assert (answer.status_code, answer.json()["reason"]) == (413, "the body is larger than 1049576 bytes.")
    assert taken == [b"x" * 900]
    assert not list(Places(tmp_path).uploads.iterdir())


@pytest.fixture
def interface(session: SimpleNamespace) -> SimpleNamespace:
    """Of a session that takes frames in and answers none."""
    from emgen.copilot.routes import add_routes

    session.uploads = Uploads(session.journal, session.places, session.intake, limit=1_000_000_000)
    session.news, session.exports = SimpleNamespace(tell=lambda: None), None
    session.came_in, session.stall = lambda taken, seconds: None, session.stalls.append
    session.app = FastAPI()
    add_routes(session.app, cast("Service", session))
    return session


async def ask(
    app: FastAPI, path: str, parts: Iterable[bytes], is_cut: bool = False, method: str = "POST", **headers: str
) -> tuple[int, dict[str, Any]]:
    """Status and answer; the body is handed over in ``parts``, and never whole."""
    coming, said = iter(parts), []

    async def receive() -> dict[str, Any]:
        if (part := next(coming, None)) is not None:
            return {"type": "http.request", "body": part, "more_body": True}
        return {"type": "http.disconnect"} if is_cut else {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        said.append(message)

    path, _, query = path.partition("?")
    sent = [(name.replace("_", "-").encode(), text.encode()) for name, text in headers.items()]
    scope = {"type": "http", "method": method, "path": path, "query_string": query.encode(), "headers": sent}
    await app(scope, receive, send)
    return said[0]["status"], json.loads(b"".join(message.get("body", b"") for message in said[1:]) or b"{}")


def left_over(session: SimpleNamespace) -> list[Path]:
    return [path for folder in (session.places.uploads, session.places.frames) for path in folder.rglob("*.*")]


@pytest.mark.parametrize("way", ["whole", "form", "piece"])
def test_a_body_of_200_mb_is_never_in_memory(interface: SimpleNamespace, tmp_path: Path, way: str) -> None:
    file, padding, blocks = a_file(tmp_path).read_bytes(), bytes(1 << 16), 3052
    path, method, head, tail, headers = "/frames?name=a.tif", "POST", b"", b"", {}
    if way == "form":
        head = b'--x\r\ncontent-disposition: form-data; name="file"; filename="a.tif"\r\n\r\n'
        tail, headers = b"\r\n--x--\r\n", {"content_type": "multipart/form-data; boundary=x"}
    if way == "piece":
        digest = hashlib.sha256(file)
        for _ in range(blocks):
            digest.update(padding)
        path, method, headers = f"/uploads/{digest.hexdigest()}?offset=0", "PUT", {"x_emgen_frame": '{"name": "a.tif"}'}
    parts = chain([head + file], repeat(padding, blocks), [tail])
    tracemalloc.start()
    try:
        status, answer = asyncio.run(ask(interface.app, path, parts, method=method, **headers))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (status, answer["frames"]) == (200, [1])
    assert peak < 50_000_000
    (stored,) = left_over(interface)
    assert stored.stat().st_size == len(file) + blocks * len(padding)


@pytest.mark.parametrize("headers", [{}, {"content_length": "5000000"}])
def test_a_body_that_is_cut_off_leaves_nothing(interface: SimpleNamespace, headers: dict[str, str]) -> None:
    parts = repeat(bytes(100_000), 30)
    status, _ = asyncio.run(ask(interface.app, "/frames?name=a.tif", parts, is_cut=True, **headers))
    assert status == 499, "no fault of the service"
    assert not left_over(interface)
    assert interface.journal.counts()["refused"] == 0


def test_a_body_that_is_too_large_leaves_nothing(interface: SimpleNamespace) -> None:
    interface.uploads.limit = 2_000_000
    status, answer = asyncio.run(ask(interface.app, "/frames?name=a.tif", repeat(bytes(100_000), 30)))
    assert (status, answer["reason"]) == (413, "the body is larger than 2000000 bytes.")
    assert not left_over(interface)


@pytest.mark.parametrize(
    ("code", "status", "words"), [(errno.ENOSPC, 507, "disk is full"), (errno.EROFS, 503, "Read-only file system")]
)
def test_a_disk_that_takes_no_more_of_a_body_is_told(
    interface: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, code: int, status: int, words: str
) -> None:
    check_room, rest = interface.intake.check_room, iter([b"x" * 100_000] * 30)

    def refused(coming: int = 0) -> None:
        if list(interface.places.uploads.iterdir()):
            raise told(OSError(code, os.strerror(code)), interface.places.root)
        check_room(coming)

    monkeypatch.setattr(interface.intake, "check_room", refused)
    found, answer = asyncio.run(ask(interface.app, "/frames?name=a.tif", rest))
    assert found == status
    assert words in answer["reason"]
    assert [str(stall) for stall in interface.stalls] == [answer["reason"]]
    assert next(rest, None) is None, "a sender that is cut off while it writes never sees the answer"
    assert not left_over(interface)


def test_pictures_are_those_of_this_session(tmp_path: Path) -> None:
    client, _ = an_interface(tmp_path)
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

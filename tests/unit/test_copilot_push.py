"""``emgen copilot push``: what the watcher finds goes to the service; what became of it is counted and noted."""

from __future__ import annotations

import asyncio
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from emgen.copilot import push as module
from emgen.copilot.client import GaveUp, NoAccess, Refused
from emgen.copilot.push import Pushed, push
from emgen.copilot.readable import readable_frames
from emgen.errors import DataError, OutputError, PushError
from emgen.host import load_host


class Client:
    """Stands in for the real one: ``answer`` says what becomes of a path."""

    def __init__(self, answer: Callable[[str], Any]) -> None:
        self.url, self.sent, self._answer = "http://workstation:8000", list[tuple[str, float]](), answer
        self.told: list[str] = []
        self.tell, self.stopped = self.told.append, threading.Event()

    def session(self) -> dict[str, Any]:
        return {}

    def send_file(self, path: str, closed_at: float) -> dict[str, Any]:
        self.sent.append((Path(path).name, closed_at))
        found = self._answer(Path(path).name)
        if isinstance(found, Exception):
            raise found
        return {"sha256": "0" * 64}

    def stop(self) -> None:
        self.stopped.set()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def a_file(folder: Path) -> Path:
    tifffile.imwrite(folder / "a.tif", np.random.default_rng(0).integers(0, 200, (40, 48), np.uint8))
    return folder / "a.tif"


def pushed(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    answer: Callable[[str], Any],
    files: int,
    grace_s: float = 0.0,
    writing: Callable[[], None] = lambda: None,
) -> tuple[Client, Pushed]:
    """Until ``files`` are dealt with; ``writing`` runs beside it."""
    client, count = Client(answer), Pushed()
    monkeypatch.setattr(module, "Client", lambda url, token, **settings: client)
    monkeypatch.setattr(module, "_UNREADABLE_WAIT_S", 0.01)

    async def go() -> None:
        state = folder.parent / "state"
        task = asyncio.create_task(push(folder, client.url, settle_s=0.05, grace_s=grace_s, state=state, pushed=count))
        written = asyncio.create_task(asyncio.to_thread(writing))
        while count.taken + count.refused + count.unreadable < files and not task.done():
            await asyncio.sleep(0.01)
        if not task.done():
            await asyncio.sleep(0.2)
            task.cancel()
        await asyncio.gather(task, written, return_exceptions=True)
        if not task.cancelled():
            task.result()

    try:
        asyncio.run(go())
    finally:
        assert client.stopped.is_set()
    return client, count


def test_each_file_is_sent_once_and_a_restart_sends_only_what_is_new(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.tif", "b.dm4", "bad.tif", "notes.txt"):
        (folder / name).write_bytes(b"x")
    refuse_bad = lambda name: Refused("no image") if name == "bad.tif" else None
    client, count = pushed(folder, monkeypatch, refuse_bad, 3)
    assert count == Pushed(taken=2, refused=1)
    assert sorted(name for name, _ in client.sent) == ["a.tif", "b.dm4", "bad.tif"]
    assert client.told == [f"{folder / 'bad.tif'} is refused: no image"]
    (folder / "c.tif").write_bytes(b"x")
    client, count = pushed(folder, monkeypatch, refuse_bad, 1)
    assert client.sent == [("c.tif", pytest.approx((folder / "c.tif").stat().st_mtime))]


def test_a_file_that_its_writer_holds_is_tried_again_a_few_times(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = iter([PermissionError("in use"), PermissionError("in use"), None])
    (folder / "a.tif").write_bytes(b"x")
    _, count = pushed(folder, monkeypatch, lambda name: next(held), 1)
    assert count == Pushed(taken=1)
    (folder / "b.tif").write_bytes(b"x")
    client, count = pushed(folder, monkeypatch, lambda name: PermissionError("in use"), 1)
    assert count == Pushed(unreadable=1)
    assert "b.tif cannot be read (in use)" in client.told[0]


def as_the_service_does(folder: Path) -> Callable[[str], Any]:
    """Refuses what no reader accepts."""

    def answer(name: str) -> Any:
        try:
            readable_frames(folder / name, load_host())
        except DataError as error:
            return Refused(str(error))
        return None

    return answer


def test_a_file_that_is_written_slowly_is_sent_once_it_is_complete_and_holds_up_no_other(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = a_file(folder.parent).read_bytes()

    def write() -> None:
        with (folder / "slow.tif").open("wb", buffering=0) as file:
            file.write(content[:-100])
            time.sleep(0.5)  # ten times as long as a file has to stay unchanged
            shutil.copy(folder.parent / "a.tif", folder / "quick.tif")
            time.sleep(0.5)
            file.write(content[-100:])

    client, count = pushed(folder, monkeypatch, as_the_service_does(folder), 2, grace_s=20.0, writing=write)
    assert count == Pushed(taken=2)
    assert [name for name, _ in client.sent] == ["quick.tif", "slow.tif"]


def test_a_file_that_stays_unreadable_is_sent_after_its_grace_as_the_service_has_to_say_why(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "half.tif").write_bytes(a_file(folder.parent).read_bytes()[:-100])
    client, count = pushed(folder, monkeypatch, as_the_service_does(folder), 1, grace_s=0.3)
    assert count == Pushed(refused=1)
    assert "half.tif is refused" in client.told[0]


def test_what_no_reader_here_opens_is_sent_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "a.tif").write_bytes(b"x")
    monkeypatch.setattr("emgen.data.opening.suffixes_of", lambda host: set())
    _, count = pushed(folder, monkeypatch, lambda name: None, 1, grace_s=1000.0)
    assert count == Pushed(taken=1)


@pytest.mark.parametrize("error", [NoAccess("Check the token."), GaveUp("Gave up after 3 s.")])
def test_no_access_and_giving_up_end_it(folder: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    (folder / "a.tif").write_bytes(b"x")
    with pytest.raises(PushError, match=str(error)):
        pushed(folder, monkeypatch, lambda name: error, 1)


def test_a_url_that_is_none_and_a_state_that_cannot_be_kept_are_told(folder: Path) -> None:
    with pytest.raises(PushError, match="ftp://x"):
        asyncio.run(push(folder, "ftp://x"))
    (folder / "file").touch()
    with pytest.raises(OutputError, match="Name another folder"):
        asyncio.run(push(folder, "http://x", state=folder / "file"))

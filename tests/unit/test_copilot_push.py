"""``emgen copilot push``: what the watcher finds goes to the service; what became of it is counted and noted."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emgen.copilot import push as module
from emgen.copilot.client import GaveUp, NoAccess, Refused
from emgen.copilot.push import Pushed, PushError, push
from emgen.errors import OutputError


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


def pushed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, answer: Callable[[str], Any], files: int
) -> tuple[Client, Pushed]:
    """Until ``files`` are dealt with."""
    client, count = Client(answer), Pushed()
    monkeypatch.setattr(module, "Client", lambda url, token, **settings: client)
    monkeypatch.setattr(module, "_UNREADABLE_WAIT_S", 0.01)

    async def go() -> None:
        state = folder.parent / "state"
        task = asyncio.create_task(push(folder, client.url, settle_s=0.05, state=state, pushed=count))
        while count.taken + count.refused + count.unreadable < files and not task.done():
            await asyncio.sleep(0.01)
        if not task.done():
            await asyncio.sleep(0.2)
            task.cancel()
        await asyncio.gather(task, return_exceptions=True)
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

"""The folder watcher: each whole file once, as soon as it is whole, whatever the file system forgets to tell."""

from __future__ import annotations

import asyncio
import os
import shutil
import statistics
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from emgen.copilot import watch
from emgen.copilot.watch import Arrival, arrivals

SETTLE_S = 0.1
BOTH = pytest.mark.parametrize("poll", [False, True], ids=["events", "polling"])


class Watched:
    """What the watcher found so far, while a test goes on."""

    def __init__(self, found: AsyncGenerator[Arrival, None]) -> None:
        self.found: list[Arrival] = []
        self.times: dict[str, float] = {}
        self._task = asyncio.create_task(self._collect(found))

    async def _collect(self, found: AsyncGenerator[Arrival, None]) -> None:
        async with aclosing(found):
            async for arrival in found:
                self.found.append(arrival)
                self.times[arrival.path.name] = time.time()

    @property
    def names(self) -> list[str]:
        return [arrival.path.name for arrival in self.found]

    async def until(self, is_so: Callable[[], bool], limit_s: float = 5.0) -> None:
        end = time.monotonic() + limit_s
        while not is_so():
            if self._task.done():
                self._task.result()
            assert time.monotonic() < end, self.names
            await asyncio.sleep(0.005)

    async def end(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


def watched(story: Callable[[Watched], Awaitable[None]], folder: Path, **settings: Any) -> list[Arrival]:
    """What is found while the story is told."""

    async def tell() -> list[Arrival]:
        watcher = Watched(arrivals(folder, **{"settle_s": SETTLE_S, "poll_s": 0.05, **settings}))
        try:
            await asyncio.sleep(0.1)
            await story(watcher)
        finally:
            await watcher.end()
        return watcher.found

    return asyncio.run(tell())


@BOTH
def test_files_that_lie_there_come_first_and_oldest_first(tmp_path: Path, poll: bool) -> None:
    for age, name in enumerate(["c.tif", "a.tif", "b.tif"]):
        (tmp_path / name).write_bytes(b"x" * (age + 1))
        os.utime(tmp_path / name, (1000 - age, 1000 - age))

    async def story(watcher: Watched) -> None:
        await watcher.until(lambda: len(watcher.found) == 3)

    found = watched(story, tmp_path, poll=poll)
    assert [(arrival.path, arrival.size, arrival.closed_at) for arrival in found] == [
        (tmp_path / "b.tif", 3, 998),
        (tmp_path / "a.tif", 2, 999),
        (tmp_path / "c.tif", 1, 1000),
    ]


def test_the_order_at_the_start_is_kept_for_what_was_written_just_now_too(tmp_path: Path) -> None:
    for name, age in (("c.tif", 0), ("a.tif", 5000), ("b.tif", 3)):
        (tmp_path / name).write_bytes(b"x")
        os.utime(tmp_path / name, (time.time() - age,) * 2)

    async def story(watcher: Watched) -> None:
        await watcher.until(lambda: len(watcher.found) == 3)

    assert [arrival.path.name for arrival in watched(story, tmp_path)] == ["a.tif", "b.tif", "c.tif"]


@BOTH
def test_a_file_comes_once_and_only_when_its_writer_is_done(tmp_path: Path, poll: bool) -> None:
    async def story(watcher: Watched) -> None:
        with (tmp_path / "x.tif").open("wb") as file:
            for _ in range(16):
                file.write(b"block")
                file.flush()
                await asyncio.sleep(0.03)
                assert not watcher.found
        done = time.time()
        await watcher.until(lambda: bool(watcher.found))
        assert watcher.times["x.tif"] - done < 0.3 + 0.3
        await asyncio.sleep(0.6)

    (arrival,) = watched(story, tmp_path, poll=poll, settle_s=0.3)
    assert arrival.size == 80
    assert arrival.mtime_ns == (tmp_path / "x.tif").stat().st_mtime_ns


@BOTH
def test_a_file_that_grows_later_comes_again_with_its_new_size(tmp_path: Path, poll: bool) -> None:
    async def story(watcher: Watched) -> None:
        for round in (1, 2):
            with (tmp_path / "x.tif").open("ab") as file:
                file.write(b"half")
            await watcher.until(lambda round=round: len(watcher.found) == round)

    assert [arrival.size for arrival in watched(story, tmp_path, poll=poll)] == [4, 8]


def test_a_neighbour_that_is_still_written_delays_nothing(tmp_path: Path) -> None:
    async def story(watcher: Watched) -> None:
        with (tmp_path / "movie.tif").open("wb") as movie:
            (tmp_path / "x.tif").write_bytes(b"whole")
            done = time.time()
            while not watcher.found:
                movie.write(b"frame")
                movie.flush()
                await asyncio.sleep(0.005)
                assert time.time() - done < 1
        assert watcher.names == ["x.tif"]
        assert watcher.times["x.tif"] - done < SETTLE_S + 0.3

    watched(story, tmp_path)


@BOTH
def test_temporary_hidden_foreign_and_nested_names_and_folders_do_not_come(tmp_path: Path, poll: bool) -> None:
    async def story(watcher: Watched) -> None:
        for name in (".x.tif", "~x.tif", "x.tif.tmp", "x.tif.part", "x.tif.crdownload", "x.txt"):
            (tmp_path / name).write_bytes(b"x")
        (tmp_path / "folder.tif").mkdir()
        (tmp_path / "folder.tif" / "y.tif").write_bytes(b"x")
        await asyncio.sleep(0.05)
        (tmp_path / "last.TIF").write_bytes(b"x")
        await watcher.until(lambda: bool(watcher.found))
        await asyncio.sleep(2 * SETTLE_S)

    assert [arrival.path.name for arrival in watched(story, tmp_path, poll=poll, suffixes={".tif"})] == ["last.TIF"]


@BOTH
def test_subfolders_are_looked_into_on_request(tmp_path: Path, poll: bool) -> None:
    (tmp_path / "day").mkdir()
    (tmp_path / "day" / "a.tif").write_bytes(b"x")

    async def story(watcher: Watched) -> None:
        (tmp_path / "new" / "deep").mkdir(parents=True)
        (tmp_path / "new" / "deep" / "b.tif").write_bytes(b"x")
        (tmp_path / "day" / "c.tif").write_bytes(b"x")
        await watcher.until(lambda: len(watcher.found) == 3)

    found = watched(story, tmp_path, poll=poll, subfolders=True)
    names = sorted(arrival.path.relative_to(tmp_path).as_posix() for arrival in found)
    assert names == ["day/a.tif", "day/c.tif", "new/deep/b.tif"]


def test_a_file_renamed_to_its_name_when_whole_comes_at_once(tmp_path: Path) -> None:
    async def story(watcher: Watched) -> None:
        (tmp_path / "x.tif.part").write_bytes(b"whole")
        await asyncio.sleep(0.5)
        renamed = time.time()
        (tmp_path / "x.tif.part").rename(tmp_path / "x.tif")
        await watcher.until(lambda: bool(watcher.found))
        assert watcher.times["x.tif"] - renamed < 0.4

    watched(story, tmp_path, settle_s=0.5)


@BOTH
def test_what_an_earlier_run_knows_is_passed_over_until_it_changes(tmp_path: Path, poll: bool) -> None:
    (tmp_path / "old.tif").write_bytes(b"x")
    old = (tmp_path / "old.tif", 1, (tmp_path / "old.tif").stat().st_mtime_ns)

    async def story(watcher: Watched) -> None:
        (tmp_path / "new.tif").write_bytes(b"x")
        await watcher.until(lambda: watcher.names == ["new.tif"])
        (tmp_path / "old.tif").write_bytes(b"xy")
        await watcher.until(lambda: watcher.names == ["new.tif", "old.tif"])

    known = lambda path, size, mtime_ns: (path, size, mtime_ns) == old
    watched(story, tmp_path, poll=poll, known=known, rescan_s=0.3)  # polling looks at what is known this often


@BOTH
def test_a_file_deleted_before_it_settled_is_dropped_and_may_come_back(tmp_path: Path, poll: bool) -> None:
    async def story(watcher: Watched) -> None:
        (tmp_path / "x.tif").write_bytes(b"x")
        await asyncio.sleep(SETTLE_S / 2)
        (tmp_path / "x.tif").unlink()
        await asyncio.sleep(2 * SETTLE_S)
        assert not watcher.found
        (tmp_path / "x.tif").write_bytes(b"xyz")
        await watcher.until(lambda: bool(watcher.found))

    assert [arrival.size for arrival in watched(story, tmp_path, poll=poll)] == [3]


def test_events_that_are_lost_are_made_up_for_by_looking_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def deaf(*folders: str, **settings: Any) -> AsyncGenerator[set[tuple[int, str]], None]:
        await asyncio.sleep(60)
        yield set()

    monkeypatch.setattr("watchfiles.awatch", deaf)

    async def story(watcher: Watched) -> None:
        (tmp_path / "x.tif").write_bytes(b"x")
        await watcher.until(lambda: watcher.names == ["x.tif"])
        await asyncio.sleep(0.5)

    assert len(watched(story, tmp_path, rescan_s=0.2)) == 1


def test_a_look_while_a_file_is_found_settled_does_not_make_it_come_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = watch._Watcher._state

    def slow(self: Any, name: str) -> Any:
        time.sleep(0.3)
        return state(self, name)

    monkeypatch.setattr(watch._Watcher, "_state", slow)

    async def story(watcher: Watched) -> None:
        (tmp_path / "x.tif").write_bytes(b"x")
        await watcher.until(lambda: bool(watcher.found))
        await asyncio.sleep(0.8)

    assert len(watched(story, tmp_path, rescan_s=0.001)) == 1


def test_where_no_events_are_to_be_had_it_polls_and_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refused(*folders: str, **settings: Any) -> AsyncGenerator[set[tuple[int, str]], None]:
        raise OSError("OS file watch limit reached")
        yield set()

    monkeypatch.setattr("watchfiles.awatch", refused)
    told: list[str] = []

    async def story(watcher: Watched) -> None:
        (tmp_path / "x.tif").write_bytes(b"x")
        await watcher.until(lambda: watcher.names == ["x.tif"])

    watched(story, tmp_path, tell=told.append)
    assert told == [f"{tmp_path} sends no events (OS file watch limit reached). Polling instead."]


@BOTH
def test_a_folder_that_goes_away_is_waited_for_and_told_once(
    tmp_path: Path, poll: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "_GUARD_S", 0.05)
    folder, told = tmp_path / "share", list[str]()

    async def story(watcher: Watched) -> None:
        await watcher.until(lambda: len(told) == 1)
        for round in (1, 2):
            folder.mkdir()
            await watcher.until(lambda round=round: len(told) == 2 * round)
            (folder / "x.tif").write_bytes(b"x" * round)
            await watcher.until(lambda round=round: len(watcher.found) == round)
            shutil.rmtree(folder)
            await watcher.until(lambda round=round: len(told) == 2 * round + 1)

    watched(story, folder, poll=poll, tell=told.append)
    away, back = f"{folder} cannot be looked into ", f"{folder} is there again."
    assert [line.partition("(")[0] for line in told] == [away, back, away, back, away]


def test_a_copy_that_keeps_an_old_time_counts_from_when_it_was_noticed(tmp_path: Path) -> None:
    async def story(watcher: Watched) -> None:
        (tmp_path / "x.tif").write_bytes(b"x")
        os.utime(tmp_path / "x.tif", (1000, 1000))
        await watcher.until(lambda: bool(watcher.found))

    (arrival,) = watched(story, tmp_path)
    assert arrival.closed_at == pytest.approx(time.time(), abs=5)


def test_a_fault_of_the_watcher_is_not_taken_for_a_quiet_folder(tmp_path: Path) -> None:
    def known(path: Path, size: int, mtime_ns: int) -> bool:
        raise RuntimeError("the journal is gone")

    (tmp_path / "x.tif").write_bytes(b"x")

    async def story(watcher: Watched) -> None:
        await watcher.until(lambda: False)

    with pytest.raises(RuntimeError, match="the journal is gone"):
        watched(story, tmp_path, known=known)


def test_the_time_from_the_last_write_is_that_to_settle_and_little_more(tmp_path: Path) -> None:
    """Among 2,000 files that are dealt with."""
    for number in range(2000):
        (tmp_path / f"old{number}.tif").touch()

    async def story(watcher: Watched) -> None:
        await watcher.until(lambda: len(watcher.found) == 2000)
        late = []
        for number in range(20):
            (tmp_path / f"new{number}.tif").write_bytes(b"x")
            closed = time.time()
            await watcher.until(lambda: watcher.names[-1] == f"new{number}.tif")  # noqa: B023
            late.append(watcher.times[f"new{number}.tif"] - closed)
        assert statistics.median(late) < SETTLE_S + 0.1

    watched(story, tmp_path)

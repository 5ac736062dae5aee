"""What a session still knows and still has after it was stopped, moved, or lost its power."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tifffile

from emgen.copilot.adapting import OUTCOME
from emgen.copilot.answering import Answerer, Ready, Setup
from emgen.copilot.journal import Journal, Task
from emgen.copilot.places import Places
from emgen.copilot.service import Service
from emgen.copilot.settings import Settings
from emgen.copilot.worker import Worker
from emgen.errors import OutputError
from emgen.host import load_host
from emgen.testing.instant import INFO

INSTANT = "emgen.testing.instant:open_model"
COMPARISON = {
    "score": 0.8, "before": 0.7, "difference": 0.1, "low": -0.1, "high": 0.3, "accepted": False,
    "why": "no clear difference", "modality": "bf-tem",
}  # fmt: skip


@pytest.fixture(autouse=True)
def no_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any model loads at once, and in no process."""

    async def start(setup: Setup) -> Any:
        return SimpleNamespace(setup=setup, ready=Ready(dict(INFO), "d" * 64, None), stop=lambda: None)

    monkeypatch.setattr(Worker, "start", start)


def visit(root: Path, look: Callable[[Service], Any], model: str = "pretrained", **settings: Any) -> Any:
    """Starts a service, returns what ``look`` finds, stops the service."""

    async def visited() -> Any:
        async with Service(Settings(model=model, root=root, **settings), load_host()) as service:
            running = asyncio.create_task(service.run())
            try:
                found = look(service)
                return await found if asyncio.iscoroutine(found) else found
            finally:
                running.cancel()
                with suppress(asyncio.CancelledError):
                    await running

    return asyncio.run(visited())


def adapted(service: Service, **outcome: Any) -> None:
    """An adaptation has ended."""
    folder = service.places.adaptations / "0001"
    model = folder.absolute() / "run" / "model"
    model.mkdir(parents=True)
    service.adaptation._folder = folder
    (folder / OUTCOME).write_text(json.dumps({"model": str(model), **COMPARISON, **outcome}))
    service.adaptation._end({"model": str(model), **COMPARISON, **outcome})


async def adapted_and_used(service: Service) -> None:
    adapted(service)
    assert await service.adaptation.use_candidate()


def place_of(service: Service) -> str:
    place: str = service.session()["model"]["place"]
    return place


# What a user has chosen.


def test_a_paused_session_is_paused_after_a_restart(tmp_path: Path) -> None:
    def is_paused(service: Service) -> bool:
        return service.is_paused

    visit(tmp_path, lambda service: service.pause(True))
    assert visit(tmp_path, is_paused)
    visit(tmp_path, lambda service: service.pause(False))
    assert not visit(tmp_path, is_paused)


def test_that_a_session_is_still_paused_is_said(tmp_path: Path) -> None:
    told: list[str] = []

    async def start() -> None:
        async with Service(Settings(model="pretrained", root=tmp_path), load_host(), told.append):
            pass

    visit(tmp_path, lambda service: service.pause(True))
    asyncio.run(start())
    assert [line for line in told if "paused" in line]


@pytest.mark.parametrize(
    ("asked", "chosen", "asked_later", "wanted"),
    [
        (None, None, None, "all"),
        ("newest", None, None, "newest"),
        ("all", "newest", "all", "newest"),
        (None, "newest", None, "newest"),
        ("all", "newest", None, "newest"),
        ("newest", None, "all", "all"),
        (None, "newest", "all", "all"),
    ],
)
def test_the_policy_is_kept_unless_a_start_asks_for_another(
    tmp_path: Path, asked: Any, chosen: Any, asked_later: Any, wanted: str
) -> None:
    visit(tmp_path, lambda service: chosen and service.set_policy(chosen), policy=asked)
    assert visit(tmp_path, lambda service: service.policy, policy=asked_later) == wanted


def test_a_new_model_waits_for_its_decision_over_a_restart(tmp_path: Path) -> None:
    visit(tmp_path, adapted)
    told = visit(tmp_path, lambda service: service.adaptation.told())
    assert told["state"] == "compared"
    assert told["comparison"]["why"] == "no clear difference"
    assert Path(told["candidate"]).is_dir()

    async def use(service: Service) -> str:
        assert await service.adaptation.use_candidate()
        return place_of(service)

    assert visit(tmp_path, use) == told["candidate"]
    assert visit(tmp_path, lambda service: service.adaptation.told())["state"] == "idle"
    assert visit(tmp_path, place_of) == told["candidate"]


def test_a_new_model_that_is_gone_is_told_and_no_more_offered(tmp_path: Path) -> None:
    visit(tmp_path, adapted)
    (tmp_path / "adaptations" / "0001" / "run" / "model").rmdir()
    told = visit(tmp_path, lambda service: service.adaptation.told())
    assert (told["state"], told["candidate"]) == ("failed", None)
    assert "0001" in told["words"]
    assert visit(tmp_path, lambda service: service.adaptation.told())["state"] == "idle"


def test_the_next_adaptation_takes_the_place_of_a_model_that_nobody_chose(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def start(service: Service) -> None:
        adapted(service)
        monkeypatch.setattr(service.adaptation, "_begin", lambda *given: None)
        await service.adaptation.start()
        service.journal.keep("adaptation", None)

    visit(tmp_path, start)
    assert visit(tmp_path, lambda service: service.adaptation.told())["state"] == "idle"


# Where its folder is.


def test_a_session_that_was_moved_answers_with_its_adapted_model(tmp_path: Path) -> None:
    before = visit(tmp_path / "old", adapted_and_used) or visit(tmp_path / "old", place_of)
    assert Path(before).is_relative_to(tmp_path / "old")
    (tmp_path / "old").rename(tmp_path / "new")

    def look(service: Service) -> tuple[Any, ...]:
        events = [row["data"] for row in service.journal.events(0)]
        places = [data["place"] for data in events if "place" in data]
        candidates = [data["model"] for data in events if data.get("state") == "compared"]
        return place_of(service), service.journal.models(), places, candidates

    place, models, places, candidates = visit(tmp_path / "new", look)
    assert place == str(tmp_path / "new" / "adaptations" / "0001" / "run" / "model")
    assert [row["place"] for row in models] == places == ["pretrained", place], "usable, and no model more"
    assert candidates == [place]
    assert visit(tmp_path / "new", lambda service: service.go_back()) is True
    assert visit(tmp_path / "new", place_of) == "pretrained"


def test_a_model_that_waits_for_its_decision_moves_with_its_session(tmp_path: Path) -> None:
    visit(tmp_path / "old", adapted)
    (tmp_path / "old").rename(tmp_path / "new")
    told = visit(tmp_path / "new", lambda service: service.adaptation.told())
    assert told["candidate"] == str(tmp_path / "new" / "adaptations" / "0001" / "run" / "model")


def with_absolute_places(root: Path, place: str) -> None:
    """As journals were written at first."""
    journal = Journal(root)
    journal.keep("model", place)
    with journal._transaction() as db:
        db.execute("UPDATE models SET place=? WHERE id=2", (place,))
        db.execute("UPDATE events SET data=replace(data, '{session}', ?)", (str(root),))
    journal.close()


def test_so_does_one_whose_journal_has_places_where_it_was(tmp_path: Path) -> None:
    before = visit(tmp_path / "old", adapted_and_used) or visit(tmp_path / "old", place_of)
    with_absolute_places(tmp_path / "old", before)
    assert visit(tmp_path / "old", place_of) == before
    (tmp_path / "old").rename(tmp_path / "new")
    wanted = before.replace("old", "new")
    assert visit(tmp_path / "new", place_of) == wanted
    assert visit(tmp_path / "new", lambda service: [row["place"] for row in service.journal.models()])[-1] == wanted


def test_a_model_of_another_session_is_not_taken_for_ones_own(tmp_path: Path) -> None:
    visit(tmp_path / "session", adapted)
    elsewhere = str(tmp_path / "another" / "adaptations" / "0001" / "run" / "model")
    assert Places(tmp_path / "session").usable(elsewhere) == elsewhere


def test_places_inside_a_session_are_kept_without_the_way_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for root in (Path("s"), tmp_path / "s", Path("../") / tmp_path.name / "s", Path()):
        places, inside = Places(root), root / "adaptations" / "0001"
        inside.mkdir(parents=True, exist_ok=True)
        for place in (str(inside), str(inside.absolute()), str(inside.resolve())):
            kept = places.portable(place)
            assert str(tmp_path) not in kept
            assert Path(places.usable(kept)).is_absolute()
            assert Path(places.usable(kept)).samefile(inside)
        for place in ("pretrained", str(tmp_path.parent), "models/that-is-not-there"):
            assert places.portable(place) == place == places.usable(place)


# What is on the disk.


def a_frame(root: Path) -> Task:
    image_HW = np.full((64, 64), 20, np.uint8)
    image_HW[20:40, 20:40] = 200
    places = Places(root)
    places.make()
    tifffile.imwrite(places.frames / "a.tif", image_HW)
    return Task(frame=1, name="a", stored="a.tif", number=0, header={}, received_at=0, closed_at=None, attempts=0)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_labels_and_pictures_are_on_the_disk_before_the_answer_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: dict[Path, int] = {}
    fsync = os.fsync

    def noted(descriptor: int) -> None:
        synced[Path(os.readlink(f"/proc/self/fd/{descriptor}"))] = os.fstat(descriptor).st_size
        fsync(descriptor)

    root = tmp_path.resolve()
    task, answerer, places = a_frame(root), Answerer(Setup(model="x", root=root, opener=INSTANT)), Places(root)
    monkeypatch.setattr(os, "fsync", noted)
    answerer.answer(task)
    for file in (places.labels_file(1), places.picture(1), places.contours(1)):
        assert synced[file] == file.stat().st_size > 0
        assert {file.parent, file.parent.parent, root} <= set(synced), "their names too"


def test_a_disk_that_does_not_take_them_is_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task, answerer = a_frame(tmp_path), Answerer(Setup(model="x", root=tmp_path, opener=INSTANT))

    def fails(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OutputError, match=r"00000001.*Input/output error"):
        answerer.answer(task)

"""Every frame exactly once, whatever happens in between."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from emgen.copilot.answer import Answer
from emgen.copilot.journal import Arrival, Journal
from emgen.errors import OutputError
from emgen.particles import measure
from emgen.particles.tables import table_bytes, table_from_bytes


def an_answer(frame: int, diameters: tuple[float, ...] = (10.0, 12.0), pixel_size_nm: float | None = 0.5) -> Answer:
    label_HW = np.zeros((32, 32), np.int32)
    label_HW[4:9, 4:9] = 1
    return Answer(
        frame=frame,
        name=f"f{frame}",
        shape_HW=(32, 32),
        factor=1.0,
        pixel_size_nm=pixel_size_nm,
        particles=len(diameters),
        diameter_K=np.array(diameters, np.float32),
        coverage=0.1,
        table=table_bytes(measure(label_HW, None, pixel_size_nm, "x")),
        seconds={"segment": 0.1},
    )


def accept(journal: Journal, digest: str, name: str = "a.tif", frames: tuple[str, ...] = ("a",)) -> list[int]:
    numbers, _ = journal.accept(
        Arrival("folder", name, 10, 20), digest=digest, stored=f"{digest}.tif", frames=frames, header={}, closed_at=1.0
    )
    return numbers


def test_equal_content_is_one_file_whatever_its_name(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    first = accept(journal, "d1", "a.tif", ("a-1", "a-2"))
    numbers, is_new = journal.accept(
        Arrival("http", "b.tif", 10), digest="d1", stored="x", frames=("b",), header={}, closed_at=None
    )
    assert (first, numbers, is_new) == ([1, 2], [1, 2], False)
    assert journal.counts() == {
        "received": 2, "done": 0, "failed": 0, "skipped": 0, "refused": 0, "duplicates": 1,
    }  # fmt: skip


def test_a_watched_file_is_known_by_name_size_and_time(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    accept(journal, "d1", "a.tif")
    journal.refuse(Arrival("folder", "bad.tif", 3, 4), "no image")
    assert journal.is_known(Arrival("folder", "a.tif", 10, 20))
    assert not journal.is_known(Arrival("folder", "a.tif", 11, 20))
    assert not journal.is_known(Arrival("http", "a.tif", 10, 20))
    assert journal.is_known(Arrival("folder", "bad.tif", 3, 4))
    assert [row["reason"] for row in journal.set_aside()] == ["no image"]


def test_an_answer_counts_once_with_its_particles_and_its_event(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    (frame,) = accept(journal, "d1")
    event = journal.answer(an_answer(frame), model=1)
    assert event is not None
    assert event["data"]["mean_diameter_nm"] == pytest.approx(5.5)
    assert journal.answer(an_answer(frame), model=1) is None
    assert journal.counts()["done"] == 1
    assert [row["kind"] for row in journal.events(0)] == ["frame"]
    data = journal.table(frame)
    assert data is not None
    table = table_from_bytes(data, "f1")
    assert list(table["image"]) == ["f1"]
    assert table["area_nm2"][0] == pytest.approx(25 * 0.25)


def test_what_was_not_answered_is_still_queued_after_a_kill(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    accept(journal, "d1")
    accept(journal, "d2", "b.tif")
    task = journal.next_task(newest=False)
    assert task is not None
    journal = Journal(tmp_path)  # the first was never closed, as when its process is killed
    again = journal.next_task(newest=False)
    assert again is not None
    assert again.frame == task.frame == 1
    journal.answer(an_answer(1), model=1)
    assert Journal(tmp_path).next_task(newest=False).frame == 2  # type: ignore[union-attr]


def test_the_newest_skips_the_others_and_they_can_be_asked_for(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for digest in ("d1", "d2", "d3"):
        accept(journal, digest, digest)
    task = journal.next_task(newest=True)
    assert task is not None
    assert task.frame == 3
    assert journal.counts()["skipped"] == 2
    journal.answer(an_answer(3), model=1)
    assert journal.next_task(newest=True) is None
    assert journal.process_skipped() == 2
    assert journal.counts()["skipped"] == 0
    accept(journal, "d4", "d4")
    order = []
    while (task := journal.next_task(newest=True)) is not None:
        order.append(task.frame)
        journal.answer(an_answer(task.frame), model=1)
    assert order == [4, 1, 2], "what is new goes before what was asked for again"


def test_a_failed_frame_is_set_aside_and_can_be_tried_again(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    (frame,) = accept(journal, "d1")
    journal.fail(frame, "too dark")
    assert journal.next_task(newest=False) is None
    assert journal.set_aside()[0]["reason"] == "too dark"
    assert journal.process_failed() == 1
    assert journal.next_task(newest=False).frame == frame  # type: ignore[union-attr]
    assert journal.counts()["failed"] == 0


def test_events_go_on_after_a_number(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for n in range(5):
        journal.tell("policy", {"n": n, "value": float("nan")})
    assert [row["data"]["n"] for row in journal.events(3)] == [3, 4]
    assert journal.events(3)[0]["data"]["value"] is None
    assert journal.last_event() == 5


def test_neighbours_skip_what_has_no_answer(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for digest in ("d1", "d2", "d3"):
        accept(journal, digest, digest)
    journal.answer(an_answer(1), model=1)
    journal.answer(an_answer(3), model=1)
    assert journal.neighbour(1, 1) == 3
    assert journal.neighbour(3, -1) == 1
    assert journal.neighbour(3, 1) is None
    assert journal.last_answered() == 3


def test_another_file_in_the_journals_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "journal.sqlite").write_bytes(b"not a database, but long enough to be looked at" * 50)
    with pytest.raises(OutputError, match=r"journal\.sqlite.*--session"):
        Journal(tmp_path)


def test_what_is_not_answered_is_found_without_looking_at_what_is(tmp_path: Path) -> None:
    """Else each frame costs more than the one before; only sessions of tens of thousands would show it."""
    journal, seen = Journal(tmp_path), []
    accept(journal, "d1")
    for connection in (journal._reader, journal._writer):
        connection.set_trace_callback(seen.append)
    journal.next_task(newest=True)
    journal.waiting()
    journal.frames(state="queued")
    journal.set_aside()
    journal.process_skipped()
    journal.process_failed()
    journal.answer(an_answer(1), model=1)
    journal.next_task(newest=False)
    journal.neighbour(5, -1)
    for connection in (journal._reader, journal._writer):
        connection.set_trace_callback(None)
    asked = [query for query in seen if query.lstrip()[:6].upper() in ("SELECT", "UPDATE") and "frames" in query]
    assert len(asked) >= 9
    for query in asked:
        plan = [row["detail"] for row in journal._reader.execute(f"EXPLAIN QUERY PLAN {query}")]
        assert not [step for step in plan if step.startswith("SCAN") and "INDEX" not in step], (query, plan)

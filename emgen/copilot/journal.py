"""What a session remembers: one SQLite file in WAL mode, in which every frame stands before it is acknowledged.

A frame is *queued*, then *done*, *failed* (set aside with its reason) or *skipped* (by the policy; *later* once it was
asked for again). Nothing else is a state: a frame that was being segmented when the service was killed is still queued.
An answer, its particles and its event are one transaction, so each frame is answered exactly once.

Transactions are synced to disk (``synchronous=FULL``). One connection writes, under a lock; readers have their own and
see the last finished transaction.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emgen.copilot.answer import Answer
from emgen.copilot.places import Places
from emgen.errors import OutputError
from emgen.files import finite

JOURNAL = "journal.sqlite"
VERSION = 1
QUEUED, DONE, FAILED, SKIPPED, LATER = "queued", "done", "failed", "skipped", "later"
ACCEPTED, DUPLICATE, REFUSED = "accepted", "duplicate", "refused"
_PLACES = {"model": "place", "adaptation": "model"}
"""Kinds of events that tell where a model is, and as what."""
_SCHEMA = """
CREATE TABLE files (
    id INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, name TEXT NOT NULL, stored TEXT NOT NULL, header TEXT NOT NULL,
    size INTEGER NOT NULL, received_at REAL NOT NULL, closed_at REAL);
CREATE TABLE frames (
    id INTEGER PRIMARY KEY, file INTEGER NOT NULL REFERENCES files, number INTEGER NOT NULL, name TEXT NOT NULL,
    state TEXT NOT NULL, reason TEXT, received_at REAL NOT NULL, closed_at REAL, attempts INTEGER NOT NULL DEFAULT 0,
    answered_at REAL, model INTEGER, height INTEGER, width INTEGER, pixel_size_nm REAL, factor REAL, particles INTEGER,
    mean_px REAL, median_px REAL, coverage REAL, domain_score REAL, seconds TEXT, sizes BLOB, notes TEXT,
    marked INTEGER NOT NULL DEFAULT 0, remark TEXT, UNIQUE (file, number));
CREATE INDEX frames_by_state ON frames (state, id) WHERE state <> 'done';
CREATE INDEX frames_marked ON frames (id) WHERE marked;
CREATE TABLE tables (frame INTEGER PRIMARY KEY REFERENCES frames, arrow BLOB NOT NULL);
CREATE TABLE arrivals (
    id INTEGER PRIMARY KEY, origin TEXT NOT NULL, name TEXT NOT NULL, size INTEGER, modified INTEGER, at REAL NOT NULL,
    outcome TEXT NOT NULL, reason TEXT, file INTEGER REFERENCES files);
CREATE INDEX arrivals_by_name ON arrivals (origin, name);
CREATE INDEX arrivals_refused ON arrivals (id) WHERE outcome = 'refused';
CREATE TABLE events (id INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, kind TEXT NOT NULL, data TEXT NOT NULL);
CREATE TABLE models (
    id INTEGER PRIMARY KEY, place TEXT NOT NULL, digest TEXT NOT NULL, since REAL NOT NULL, why TEXT NOT NULL);
CREATE TABLE counts (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
CREATE TABLE kept (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Task:
    """A frame that waits: where its file is stored, which of the file's frames it is, what its sender said of it."""

    frame: int
    name: str
    stored: str
    number: int
    header: Mapping[str, Any]
    received_at: float
    closed_at: float | None
    attempts: int


@dataclass(frozen=True, slots=True)
class Arrival:
    """Something that came in: by which way, under which name, and how large; ``modified``: ns, of a watched file."""

    origin: str
    name: str
    size: int | None = None
    modified: int | None = None


class Journal:
    """``folder``: of the session. Raises ``OutputError`` where the file is not a journal, or one of a later emgen.

    ``only_read``: nothing is made or changed, and a service may have the session open.
    """

    def __init__(self, folder: Path, *, only_read: bool = False) -> None:
        self.path = folder / JOURNAL
        self._places = Places(folder)
        self._lock = threading.RLock()
        self._readers = threading.local()
        self._address, self._is_uri = (self._to_read(), True) if only_read else (str(self.path), False)
        try:
            self._writer = self._connect()
            if not only_read:
                self._writer.execute("PRAGMA journal_mode=WAL")
            self._prepare()
        except sqlite3.DatabaseError as error:
            raise OutputError(
                f"{self.path}: cannot be used as a journal ({error}). Choose another --session folder."
            ) from error

    def _to_read(self) -> str:
        """Raises ``OutputError``."""
        if not self.path.is_file():
            raise OutputError(f"{self.path.parent}: no copilot session there ({JOURNAL} is missing).")
        # SQLite shares WAL by files beside the journal, which cannot be made on a medium that is read-only.
        writable = os.access(self.path.parent, os.W_OK) or self.path.with_name(f"{JOURNAL}-wal").exists()
        return f"{self.path.resolve().as_uri()}?{'mode=ro' if writable else 'immutable=1'}"

    def _connect(self) -> sqlite3.Connection:
        settings: Any = {"timeout": 30, "check_same_thread": False, "isolation_level": None, "uri": self._is_uri}
        made: sqlite3.Connection = sqlite3.connect(self._address, **settings)
        made.row_factory = sqlite3.Row
        made.execute("PRAGMA synchronous=FULL")
        return made

    def _prepare(self) -> None:
        found = self._writer.execute("PRAGMA user_version").fetchone()[0]
        if found == 0:
            with self._transaction() as db:
                for statement in _SCHEMA.split(";\n"):
                    db.execute(statement)
                db.execute(f"PRAGMA user_version={VERSION}")
        elif found != VERSION:
            raise OutputError(
                f"{self.path}: written by another version of emgen (journal {found}, this one reads {VERSION}). "
                "Choose another --session folder."
            )

    def close(self) -> None:
        with self._lock:
            self._writer.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise

    @property
    def _reader(self) -> sqlite3.Connection:
        """Of this thread; writers do not block it."""
        if not hasattr(self._readers, "db"):
            self._readers.db = self._connect()
            self._readers.db.execute("PRAGMA query_only=1")
        found: sqlite3.Connection = self._readers.db
        return found

    def _rows(self, query: str, *values: Any) -> list[dict[str, Any]]:
        return [dict(row) for row in self._reader.execute(query, values)]

    # What comes in.

    def is_known(self, arrival: Arrival) -> bool:
        """Whether a watched file of this name, size and time was dealt with already."""
        query = "SELECT 1 FROM arrivals WHERE origin=? AND name=? AND size IS ? AND modified IS ?"
        return bool(self._rows(query, arrival.origin, arrival.name, arrival.size, arrival.modified))

    def file_of(self, digest: str) -> dict[str, Any] | None:
        """The file of this content, with the numbers of its ``frames``; ``None`` where none came in."""
        if not (found := self._rows("SELECT * FROM files WHERE digest=?", digest)):
            return None
        frames = self._rows("SELECT id FROM frames WHERE file=? ORDER BY number", found[0]["id"])
        return {**found[0], "frames": [row["id"] for row in frames]}

    def accept(
        self,
        arrival: Arrival,
        *,
        digest: str,
        stored: str,
        frames: Sequence[str],
        header: Mapping[str, Any],
        closed_at: float | None,
    ) -> tuple[list[int], bool]:
        """Journals a file and queues its ``frames`` (their names). Their numbers, and whether its content is new."""
        now = time.time()
        with self._transaction() as db:
            old = db.execute("SELECT id FROM files WHERE digest=?", (digest,)).fetchone()
            file = old["id"] if old else None
            if old is None:
                values = (digest, arrival.name, stored, json.dumps(header), arrival.size, now, closed_at)
                insert = "INSERT INTO files (digest, name, stored, header, size, received_at, closed_at)"
                file = db.execute(f"{insert} VALUES (?,?,?,?,?,?,?)", values).lastrowid
                db.executemany(
                    "INSERT INTO frames (file, number, name, state, received_at, closed_at) VALUES (?,?,?,?,?,?)",
                    [(file, number, name, QUEUED, now, closed_at) for number, name in enumerate(frames)],
                )
                _count(db, "received", len(frames))
            else:
                _count(db, "duplicates")
            self._arrived(db, arrival, DUPLICATE if old else ACCEPTED, None, file, now)
            rows = db.execute("SELECT id FROM frames WHERE file=? ORDER BY number", (file,)).fetchall()
        return [row["id"] for row in rows], old is None

    def refuse(self, arrival: Arrival, reason: str) -> None:
        """Sets aside what is no micrograph."""
        with self._transaction() as db:
            self._arrived(db, arrival, REFUSED, reason, None, time.time())
            _count(db, "refused")
            self._tell(db, "refused", {"name": arrival.name, "origin": arrival.origin, "reason": reason})

    def _arrived(
        self, db: sqlite3.Connection, arrival: Arrival, outcome: str, reason: str | None, file: int | None, at: float
    ) -> None:
        db.execute(
            "INSERT INTO arrivals (origin, name, size, modified, at, outcome, reason, file) VALUES (?,?,?,?,?,?,?,?)",
            (arrival.origin, arrival.name, arrival.size, arrival.modified, at, outcome, reason, file),
        )

    # What waits.

    def next_task(self, *, newest: bool) -> Task | None:
        """The frame to segment now; with ``newest`` the last that came in, and those before it are skipped."""
        order = "DESC" if newest else "ASC"
        row = self._reader.execute(
            f"{_TASKS} WHERE {_OPEN} AND f.state='queued' ORDER BY f.id {order} LIMIT 1"
        ).fetchone()
        if row is None:
            row = self._reader.execute(f"{_TASKS} WHERE {_OPEN} AND f.state='later' ORDER BY f.id LIMIT 1").fetchone()
        elif newest:
            with self._transaction() as db:
                skip = db.execute(
                    f"UPDATE frames AS f SET state='skipped' WHERE {_OPEN} AND state='queued' AND id < ?", (row["id"],)
                )
                if skip.rowcount:
                    _count(db, "skipped", skip.rowcount)
                    self._tell(db, "skipped", {"frames": skip.rowcount, "before": row["id"]})
        return None if row is None else _task(row)

    def attempted(self, frame: int) -> None:
        """The process that segments died over this frame."""
        with self._transaction() as db:
            db.execute("UPDATE frames SET attempts=attempts+1 WHERE id=?", (frame,))

    def process_skipped(self) -> int:
        """Asks for all skipped frames, after those that wait; how many there are."""
        with self._transaction() as db:
            asked = db.execute(f"UPDATE frames AS f SET state='later' WHERE {_OPEN} AND state='skipped'").rowcount
            if asked:
                _count(db, "skipped", -asked)
        return asked

    def process_failed(self) -> int:
        """Asks once more for all frames that failed; how many there are."""
        with self._transaction() as db:
            update = f"UPDATE frames AS f SET state='later', reason=NULL, attempts=0 WHERE {_OPEN} AND state='failed'"
            asked = db.execute(update).rowcount
            if asked:
                _count(db, "failed", -asked)
        return asked

    def waiting(self) -> int:
        return int(
            self._rows(f"SELECT count(*) AS n FROM frames f WHERE {_OPEN} AND state IN ('queued','later')")[0]["n"]
        )

    # What is answered.

    def answer(
        self,
        answer: Answer,
        model: int,
        alarm: Mapping[str, Any] | None = None,
        kept: Mapping[str, Any] | None = None,
    ) -> dict[str, Any] | None:
        """The answer, its particles and its event in one; the event. ``None`` where the frame has an answer already.

        ``alarm``: of the domain, where it began or ended with this frame; one more event. ``kept``: as by ``keep``.
        """
        columns = {**answer.columns(), "state": DONE, "answered_at": time.time(), "model": model, "reason": None}
        with self._transaction() as db:
            setting = ", ".join(f"{name}=?" for name in columns)
            update = f"UPDATE frames SET {setting} WHERE id=? AND state IN ('queued','later')"
            if not db.execute(update, (*columns.values(), answer.frame)).rowcount:
                return None
            db.execute("INSERT OR REPLACE INTO tables VALUES (?,?)", (answer.frame, answer.table))
            _count(db, "done")
            told = self._tell(db, "frame", {**answer.told(), "model": model, "answered_at": columns["answered_at"]})
            if alarm is not None:
                self._tell(db, "alarm", alarm)
            for name, value in (kept or {}).items():
                _keep(db, name, value)
        return told

    def fail(self, frame: int, reason: str) -> None:
        """Sets a frame aside that cannot be segmented."""
        with self._transaction() as db:
            update = "UPDATE frames SET state='failed', reason=? WHERE id=? AND state IN ('queued','later')"
            if db.execute(update, (reason, frame)).rowcount:
                _count(db, "failed")
                name = db.execute("SELECT name FROM frames WHERE id=?", (frame,)).fetchone()["name"]
                self._tell(db, "failed", {"frame": frame, "name": name, "reason": reason})

    # What is told, chosen and asked.

    def tell(self, kind: str, data: Mapping[str, Any], kept: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The event. ``kept``: as by ``keep``, in the same transaction."""
        with self._transaction() as db:
            for name, value in (kept or {}).items():
                _keep(db, name, value)
            return self._tell(db, kind, data)

    def _tell(self, db: sqlite3.Connection, kind: str, data: Mapping[str, Any]) -> dict[str, Any]:
        at, clean = time.time(), finite(dict(data))
        insert = "INSERT INTO events (at, kind, data) VALUES (?,?,?)"
        stored = _with_place(kind, clean, self._places.portable)
        number = db.execute(insert, (at, kind, json.dumps(stored))).lastrowid
        return {"id": number, "at": at, "kind": kind, "data": clean}

    def events(self, after: int, limit: int = 500) -> list[dict[str, Any]]:
        """In order: ``id``, ``at``, ``kind``, ``data``."""
        rows = self._rows("SELECT * FROM events WHERE id>? ORDER BY id LIMIT ?", after, limit)
        usable = self._places.usable
        return [{**row, "data": _with_place(row["kind"], json.loads(row["data"]), usable)} for row in rows]

    def last_event(self) -> int:
        return int(self._rows("SELECT coalesce(max(id), 0) AS n FROM events")[0]["n"])

    def use_model(self, place: str, digest: str, why: str) -> int:
        """Journals the model that answers from now on; its number."""
        with self._transaction() as db:
            values = (self._places.portable(place), digest, time.time(), why)
            number = db.execute("INSERT INTO models (place, digest, since, why) VALUES (?,?,?,?)", values).lastrowid
            self._tell(db, "model", {"model": number, "place": place, "digest": digest, "why": why})
        assert number is not None
        return number

    def models(self) -> list[dict[str, Any]]:
        """In order; the ``place`` of each is where it is now, also of one in a session's folder that was moved."""
        rows = self._rows("SELECT * FROM models ORDER BY id")
        return [{**row, "place": self._places.usable(row["place"])} for row in rows]

    def mark(self, frame: int, marked: bool, remark: str = "") -> bool:
        """Whether there is such a frame."""
        with self._transaction() as db:
            update = "UPDATE frames SET marked=?, remark=? WHERE id=?"
            found = db.execute(update, (int(marked), remark or None, frame)).rowcount > 0
            if found:
                self._tell(db, "marked", {"frame": frame, "marked": marked, "remark": remark})
        return found

    def keep(self, name: str, value: Any) -> None:
        """A JSON value by name, for the next start."""
        with self._transaction() as db:
            _keep(db, name, value)

    def kept(self, name: str, default: Any = None) -> Any:
        rows = self._rows("SELECT value FROM kept WHERE name=?", name)
        return json.loads(rows[0]["value"]) if rows else default

    def counts(self) -> dict[str, int]:
        """``received``, ``done``, ``failed``, ``skipped`` frames; ``refused`` and ``duplicates`` among what came in."""
        zero = dict.fromkeys(("received", "done", "failed", "skipped", "refused", "duplicates"), 0)
        return zero | {row["name"]: row["value"] for row in self._rows("SELECT * FROM counts")}

    def frame(self, number: int) -> dict[str, Any] | None:
        rows = self._rows(f"{_FRAMES} WHERE f.id=?", number)
        return _readable(rows[0]) if rows else None

    def frames(self, after: int = 0, limit: int = 100, *, state: str | None = None) -> list[dict[str, Any]]:
        """In the order they came in."""
        where, values = (f"{'' if state == DONE else f'AND {_OPEN}'} AND f.state=?", (state,)) if state else ("", ())
        rows = self._rows(f"{_FRAMES} WHERE f.id>? {where} ORDER BY f.id LIMIT ?", after, *values, limit)
        return [_readable(row) for row in rows]

    def marked(self) -> list[dict[str, Any]]:
        return [_readable(row) for row in self._rows(f"{_FRAMES} WHERE f.marked ORDER BY f.id")]

    def newest(self, count: int) -> list[dict[str, Any]]:
        """Answered frames with where their files are stored, the newest first."""
        query = f"{_FRAMES} WHERE f.state='done' ORDER BY f.id DESC LIMIT ?"
        return [_readable(row) for row in self._rows(query, count)]

    def neighbour(self, frame: int, step: int) -> int | None:
        """The next (``step`` > 0) or previous answered frame."""
        sign, order = (">", "ASC") if step > 0 else ("<", "DESC")
        rows = self._rows(f"SELECT id FROM frames WHERE state='done' AND id{sign}? ORDER BY id {order} LIMIT 1", frame)
        return int(rows[0]["id"]) if rows else None

    def last_answered(self) -> int | None:
        return self.neighbour(1 << 62, -1)

    def last_frame(self) -> int:
        """The number of the frame that came in last; 0 before the first."""
        return int(self._rows("SELECT coalesce(max(id), 0) AS n FROM frames")[0]["n"])

    def origins(self) -> list[dict[str, Any]]:
        """By which ways something came in: ``origin``, ``outcome``, how many, ``first`` and ``last`` (unix time)."""
        query = "SELECT origin, outcome, count(*) AS n, min(at) AS first, max(at) AS last FROM arrivals GROUP BY 1, 2"
        return self._rows(query)

    def set_aside(self, limit: int = 100) -> list[dict[str, Any]]:
        """What was refused or failed, the newest first: ``at``, ``name``, ``reason``."""
        query = f"""SELECT at, name, reason FROM arrivals WHERE outcome='refused'
            UNION ALL SELECT received_at, name, reason FROM frames f WHERE {_OPEN} AND state='failed'
            ORDER BY 1 DESC LIMIT ?"""
        return self._rows(query, limit)

    def table(self, frame: int) -> bytes | None:
        """The frame's particles (``emgen.particles.tables.table_from_bytes``)."""
        rows = self._rows("SELECT arrow FROM tables WHERE frame=?", frame)
        return rows[0]["arrow"] if rows else None

    def diameters(self, frame: int) -> bytes | None:
        """px, float32, of the frame's whole particles."""
        rows = self._rows("SELECT sizes FROM frames WHERE id=?", frame)
        return rows[0]["sizes"] if rows else None

    def answered(self, first: int = 0) -> Iterator[dict[str, Any]]:
        """Answered frames in order from ``first`` on, some at a time; for counters that start anew."""
        last = first - 1
        while rows := self._rows(f"{_ANSWERED} AND id>? ORDER BY id LIMIT 1000", last):
            yield from rows
            last = rows[-1]["id"]


def passes(error: sqlite3.OperationalError) -> bool:
    """Whether to wait and try again: a disk that is full, fails or is mounted for reading alone, another program that
    holds the file.
    """
    return any(words in str(error) for words in ("full", "disk I/O", "locked", "unable to open", "readonly"))


_OPEN = "f.state <> 'done'"
"""In each query for frames that are not answered, word for word: else SQLite does not know that the index over them,
which stays small, will do, and looks at all answered frames each time."""
_TASKS = """SELECT f.id, f.name, f.number, f.received_at, f.closed_at, f.attempts, files.stored, files.header
    FROM frames f JOIN files ON files.id = f.file"""
_FRAMES = """SELECT f.*, files.name AS file_name, files.stored, files.digest
    FROM frames f JOIN files ON files.id = f.file"""
_ANSWERED = """SELECT id, name, received_at, closed_at, answered_at, pixel_size_nm, particles, mean_px, median_px,
    coverage, domain_score, height, width, sizes, model FROM frames WHERE state='done'"""


def _task(row: sqlite3.Row) -> Task:
    return Task(
        frame=row["id"],
        name=row["name"],
        stored=row["stored"],
        number=row["number"],
        header=json.loads(row["header"]),
        received_at=row["received_at"],
        closed_at=row["closed_at"],
        attempts=row["attempts"],
    )


def _readable(row: dict[str, Any]) -> dict[str, Any]:
    """Without blobs; JSON columns as what they hold."""
    row = {key: value for key, value in row.items() if key not in ("sizes", "file", "attempts")}
    row["seconds"] = json.loads(row["seconds"]) if row["seconds"] else {}
    row["notes"] = json.loads(row["notes"]) if row["notes"] else []
    row["marked"] = bool(row["marked"])
    size = row["pixel_size_nm"]
    for name in ("mean", "median"):
        value = row[f"{name}_px"]
        row[f"{name}_diameter_px"] = value
        row[f"{name}_diameter_nm"] = None if value is None or size is None else value * size
        del row[f"{name}_px"]
    return row


def _with_place(kind: str, data: dict[str, Any], change: Callable[[str], str]) -> dict[str, Any]:
    """An event's data, with the place of a model in it changed."""
    name = _PLACES.get(kind)
    return {**data, name: change(data[name])} if name in data else data


def _keep(db: sqlite3.Connection, name: str, value: Any) -> None:
    db.execute("INSERT OR REPLACE INTO kept VALUES (?,?)", (name, json.dumps(finite({"": value})[""])))


def _count(db: sqlite3.Connection, name: str, by: int = 1) -> None:
    db.execute(
        "INSERT INTO counts VALUES (?,?) ON CONFLICT (name) DO UPDATE SET value=value+excluded.value", (name, by)
    )

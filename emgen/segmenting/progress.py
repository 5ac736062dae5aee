"""What a call has finished, kept beside its results: where it was stopped, the next one goes on.

A line of JSON a micrograph, appended once its files are written. It counts for the same call (model, settings, version)
on the same file (size and time of change), as long as the files that it tells of are there.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from emgen.errors import OutputError
from emgen.particles.tables import table_bytes, table_from_bytes
from emgen.segmenting.bench import Done
from emgen.segmenting.jobs import Job

FILE = "unfinished.jsonl"


class Progress:
    """Of one call in one folder.

    ``call``: what must be the same for the results to be the same; ``None``: nothing is taken over, and nothing kept.
    ``known``: names of those of ``jobs`` that need not be done again.
    """

    def __init__(self, folder: Path, call: Mapping[str, Any] | None, jobs: Sequence[Job]) -> None:
        self._folder, self._path = folder, folder / FILE
        self._head = None if call is None else json.dumps({"call": call}, sort_keys=True).encode() + b"\n"
        self._place: dict[str, int] = {}
        self._stamp: dict[str, Any] = {}
        self._end = self._look()
        self.known = {job.name for job in jobs if self._is_known(job)}

    def _look(self) -> int:
        """Where each line begins, by name; the end of the last whole one. Of another call nothing is taken."""
        if not self._path.is_file():
            return 0
        with self._path.open("rb") as file:
            if (head := file.readline()) != self._head:
                return 0
            end = len(head)
            while (line := file.readline()).endswith(b"\n"):
                try:
                    told = json.loads(line)
                    self._place[told["name"]], self._stamp[told["name"]] = end, told["file"]
                except (ValueError, TypeError, KeyError):  # a kill, or a full disk, cut it off
                    break
                end += len(line)
        return end

    def _is_known(self, job: Job) -> bool:
        stamp = self._stamp.get(job.name)
        return stamp is not None and stamp == _stamp(job) and self._are_there(self._line(job.name)["record"])

    def _are_there(self, record: Mapping[str, Any]) -> bool:
        """The files of a micrograph. Of what lies on object storage nobody knows."""
        own = [record["mask"]] if "mask" in record else []
        return all((self._folder / name).exists() for name in [*own, record["labels"], *record["written"]])

    def done(self, job: Job) -> Done:
        """What became of a known one."""
        told = self._line(job.name)
        return Done(job, told["record"], table_from_bytes(base64.b64decode(told["particles"]), job.name))

    def _line(self, name: str) -> dict[str, Any]:
        with self._path.open("rb") as file:
            file.seek(self._place[name])
            line: dict[str, Any] = json.loads(file.readline())
        return line

    def add(self, done: Done) -> None:
        """One more; one that failed is tried again by the next call. Raises ``OutputError``."""
        stamp = _stamp(done.job)
        if self._head is None or done.record is None or done.table is None or stamp is None:
            return
        packed = base64.b64encode(table_bytes(done.table)).decode()
        line = json.dumps({"name": done.job.name, "file": stamp, "record": done.record, "particles": packed})
        try:
            with self._path.open("r+b" if self._end else "wb") as file:
                file.seek(self._end)
                file.truncate()
                file.write((b"" if self._end else self._head) + line.encode() + b"\n")
                self._end = file.tell()
        except OSError as error:
            raise OutputError(f"{self._path}: cannot be written ({error}). Free some space.") from error

    def forget(self) -> None:
        """All is done: the next call begins anew."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)


def _stamp(job: Job) -> list[Any] | None:
    """Which frame of which file in which state; ``None`` of a folder, whose time of change says nothing."""
    try:
        found = job.path.stat()
    except OSError:
        return None
    return None if job.path.is_dir() else [str(job.path.resolve()), job.frame, found.st_size, found.st_mtime_ns]

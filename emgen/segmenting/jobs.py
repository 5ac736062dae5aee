"""What is to be segmented: every frame of every file, found and checked before any work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from emgen.data import Micrograph, frame_name
from emgen.data.stack import open_file, read_frame, refuse_equal_names
from emgen.errors import DataError, OutputError
from emgen.particles import labels_path, mask_path
from emgen.writing import StackOf, Writers

if TYPE_CHECKING:
    from emgen.host import Host
    from emgen.segmenting.result import Segmented


@dataclass(frozen=True, slots=True)
class Job:
    """One micrograph to segment: a frame of a file, and the name of its results.

    ``stack``: of which file of several frames it is one, where its labels go into one store with theirs.
    """

    name: str
    path: Path
    frame: int
    stack: StackOf


def open_all(paths: Sequence[Path], host: Host, result: Segmented, *, stacked: bool = False) -> list[Job]:
    """A file that cannot be opened, or whose name cannot name a result, is a failed input.

    ``stacked``: the size of a file's frames is looked up too; one of them is read for it.
    """
    jobs: list[Job] = []
    for path in paths:
        try:
            jobs += _jobs_of(path, open_file(path, host), result.folder, stacked)
        except (DataError, OutputError) as error:
            result.fail(path, str(error))
    return jobs


def _jobs_of(path: Path, frames: Sequence[Micrograph], out: Path, stacked: bool) -> list[Job]:
    count = len(frames)
    shape_HW = _first_shape(frames, path) if stacked and count > 1 else None
    stack = StackOf(frame_name(path, 0, 1), count, shape_HW)
    jobs = [Job(frame_name(path, index, count), path, index, stack) for index in range(count)]
    for job in jobs:
        mask_path(out, job.name)
    return jobs


def _first_shape(frames: Sequence[Micrograph], path: Path) -> tuple[int, int] | None:
    """Of the first frame that can be read; ``None`` where none can."""
    for index in range(len(frames)):
        try:
            height, width = read_frame(frames, index, path).image_HW.shape
        except DataError:
            continue
        return height, width
    return None


def refuse_collisions(jobs: Sequence[Job], out: Path, writers: Writers, *, stacked: bool = False) -> None:
    """Raise ``OutputError`` where two results would have one name, or one would take an input's place."""
    refuse_equal_names([(job.name, job.path) for job in jobs])
    if stacked:
        refuse_equal_names(list({job.path: (job.stack.name, job.path) for job in jobs}.values()))
    inputs = {job.path.resolve() for job in jobs}
    for job in jobs:
        own = () if stacked else (mask_path(out, job.name), labels_path(out, job.name))
        for result in (*own, *writers.paths(job.name, job.stack)):
            if result.resolve() in inputs:
                raise OutputError(
                    f"{job.path} would write its result over the input {result}. Choose another --out, or leave "
                    "results of an earlier call out of the inputs."
                )

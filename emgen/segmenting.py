"""``emgen segment``: from image files to masks, labels, a table of particles and a summary, file by file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emgen.data import Micrograph, NormalisedMicrograph, expand_each, frame_name
from emgen.data.stack import (
    modality_normalise,
    normalise_micrograph,
    open_file,
    read_frame,
    refuse_equal_names,
    suffixes_of,
)
from emgen.errors import DataError, NoImagesError, OutputError
from emgen.files import make_folder, write_json_file
from emgen.particles import labels_path, mask_path, measure, size_summary, write_labels, write_mask
from emgen.particles.tables import concatenated, write_table
from emgen.sizes import sample_from_table, size_distribution, write_sizes
from emgen.writing import Labelled, Writers
from emgen.writing.formats import open_writers

if TYPE_CHECKING:
    import pandas

    from emgen.host import Host
    from emgen.model import Model
    from emgen.sizes import Response, SizeDistribution

SUMMARY = "summary.json"
_JOINED_FROM = 256
"""Tables: so many small ones are made one, as each takes some kilobytes whatever it holds."""


@dataclass(frozen=True, slots=True)
class Job:
    """One micrograph to segment: a frame of an opened file, and the name of its results."""

    name: str
    path: Path
    stack: Sequence[Micrograph]
    frame: int


@dataclass(slots=True)
class Segmented:
    """What was written to ``folder``: a record per micrograph, what failed and why, the particles of all, their sizes.

    ``response``: what the model does to sizes, where its run has measured that.
    """

    folder: Path
    model: dict[str, Any] = field(default_factory=dict)
    files: list[dict[str, Any]] = field(default_factory=list)
    failed: list[dict[str, str]] = field(default_factory=list)
    tables: list[pandas.DataFrame] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    response: Response | None = None
    sizes: SizeDistribution | None = None

    @property
    def particles(self) -> pandas.DataFrame:
        """One row a particle (``emgen.particles.measure``)."""
        if len(self.tables) > 1:
            self.tables = [concatenated(self.tables)]
        return concatenated(self.tables)

    def add(self, record: dict[str, Any], table: pandas.DataFrame) -> None:
        """One micrograph."""
        self.files.append(record)
        if len(table):
            self.tables.append(table)
        if len(self.tables) >= _JOINED_FROM:
            self.tables = [concatenated(self.tables)]

    def fail(self, path: Path, error: Exception) -> None:
        self.failed.append({"input": str(path), "reason": str(error)})


def segment_files(
    load: Callable[[], Model],
    images: Sequence[str | Path],
    out: Path,
    host: Host,
    *,
    pixel_size_nm: float | None = None,
    write: Sequence[str] = (),
    tell: Callable[[str], None] = lambda line: None,
) -> Segmented:
    """Segment files, folders and globs into ``out``; an unusable file is recorded and the others go on.

    Parameters
    ----------
    load: gives the model; called once the inputs are known to be all right.
    pixel_size_nm: of all micrographs; goes over what the files say.
    write: formats besides masks and labels (``emgen.writing.FORMATS``).
    tell: called with a line of text after each micrograph.

    Raises
    ------
    NoImagesError: nothing to segment. OutputError: two results of one name, a result in an input's place, a folder that
    cannot be written, an unknown format. What was finished before is kept and listed.
    """
    result, writers = Segmented(out), open_writers(write, out)
    jobs = _open_all(expand_each(images, suffixes_of(host), result.failed), host, result)
    if not jobs and not result.failed:
        raise NoImagesError("The files given hold no micrograph.")
    _refuse_collisions(jobs, out, writers)
    make_folder(out)
    try:
        if jobs:
            with writers:
                _segment_all(load(), jobs, host, result, writers, pixel_size_nm, tell)
    finally:
        result.written = [path.name for path in writers.finished]
        _write_tables(result)
    return result


def _open_all(paths: Sequence[Path], host: Host, result: Segmented) -> list[Job]:
    """A file that cannot be opened, or whose name cannot name a result, is a failed input."""
    jobs = []
    for path in paths:
        try:
            stack = open_file(path, host)
            found = [Job(frame_name(path, i, len(stack)), path, stack, i) for i in range(len(stack))]
            for job in found:
                mask_path(result.folder, job.name)
        except (DataError, OutputError) as error:
            result.fail(path, error)
            continue
        jobs += found
    return jobs


def _refuse_collisions(jobs: Sequence[Job], out: Path, writers: Writers) -> None:
    refuse_equal_names([(job.name, job.path) for job in jobs])
    inputs = {job.path.resolve() for job in jobs}
    for job in jobs:
        for result in (mask_path(out, job.name), labels_path(out, job.name), *writers.paths(job.name)):
            if result.resolve() in inputs:
                raise OutputError(
                    f"{job.path} would write its result over the input {result}. Choose another --out, or leave "
                    "results of an earlier call out of the inputs."
                )


def _segment_all(
    model: Model,
    jobs: Sequence[Job],
    host: Host,
    result: Segmented,
    writers: Writers,
    pixel_size_nm: float | None,
    tell: Callable[[str], None],
) -> None:
    """One micrograph at a time; of each only its row in the summary and its particles' rows in the table are kept."""
    result.model |= {key: model.info.get(key) for key in ("task", "modality", "working_diameter", "simulated")}
    result.response = model.response
    normalise = modality_normalise(host, model.modality)
    for job in jobs:
        try:
            raw = read_frame(job.stack, job.frame, job.path)
            micrograph = normalise_micrograph(raw, normalise, job.name, job.path, "", pixel_size_nm)
        except DataError as error:
            result.fail(job.path, error)
            tell(f"{job.name}: failed. {error}")
            continue
        _segment_one(model, job, raw, micrograph, result, writers)
        tell(f"{job.name}: {_in_words(result.files[-1])}")


def _segment_one(
    model: Model, job: Job, raw: Micrograph, micrograph: NormalisedMicrograph, result: Segmented, writers: Writers
) -> None:
    """Segments, measures, writes and records one micrograph."""
    found, size = model.segment(micrograph.image_HW), micrograph.pixel_size_nm
    mask = write_mask(result.folder, job.name, found.label_HW, size)
    labels = write_labels(result.folder, job.name, found.label_HW, size)
    also = writers.add(
        Labelled(
            name=job.name,
            label_HW=found.label_HW,
            image_HW=raw.image_HW,
            pixel_size_nm=size,
            source=job.path,
            frame=job.frame,
        )
    )
    table = measure(found.label_HW, raw.image_HW.astype(np.float32), size, job.name)
    record = {
        "name": job.name,
        "source": str(job.path),
        "frame": job.frame,
        "shape": list(micrograph.image_HW.shape),
        "native_dtype": micrograph.native_dtype,
        "pixel_size_nm": size,
        "scale_factor": round(float(found.factor), 6),
        **size_summary(table),
        "notes": list(micrograph.notes),
        "mask": mask.name,
        "labels": labels.name,
        "written": [path.name for path in also],
    }
    result.add(record, table)


def _in_words(record: dict[str, Any]) -> str:
    for unit in ("nm", "px"):
        if f"diameter_{unit}" in record:
            return f"{record['particles']} particles, median diameter {record[f'diameter_{unit}']['median']:.3g} {unit}"
    return f"{record['particles']} particles"


def _write_tables(result: Segmented) -> None:
    table = result.particles
    written = [*write_table(result.folder, table), *_measure_sizes(result, table)]
    units = sorted({record["native_dtype"] for record in result.files})
    summary = {
        "model": result.model,
        "micrographs": len(result.files),
        "total": size_summary(table),
        "size_distribution": result.sizes.to_dict() if result.sizes else None,
        "notes": [f"mixed bit depths: {', '.join(units)}"] if len(units) > 1 else [],
        "files": result.files,
        "failed": result.failed,
        "written": [*(path.name for path in written), *result.written],
    }
    write_json_file(result.folder / SUMMARY, summary)


def _measure_sizes(result: Segmented, table: pandas.DataFrame) -> list[Path]:
    """The size distribution of all micrographs; the files it was written to."""
    if not result.files:
        return []
    shapes = {record["name"]: (record["shape"][0], record["shape"][1]) for record in result.files}
    pixel_sizes = {record["name"]: record["pixel_size_nm"] for record in result.files}
    factors = {record["name"]: record["scale_factor"] for record in result.files}
    sample = sample_from_table(table, shapes, pixel_sizes, factors)
    result.sizes = size_distribution(sample, result.response)
    return write_sizes(result.sizes, result.folder)

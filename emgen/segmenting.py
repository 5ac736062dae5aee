"""``emgen segment``: from image files to masks, labels, a table of particles and a summary, file by file."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emgen.data import Micrograph, expand_images, frame_name
from emgen.data.stack import (
    modality_normalise,
    normalise_micrograph,
    open_file,
    read_frame,
    refuse_equal_names,
    suffixes_of,
)
from emgen.errors import DataError, NoImagesError, OutputError
from emgen.particles import labels_path, mask_path, measure, size_summary, write_labels, write_mask

if TYPE_CHECKING:
    import pandas

    from emgen.host import Host
    from emgen.model import Model

TABLE, SUMMARY = "particles.csv", "summary.json"


@dataclass(frozen=True, slots=True)
class Job:
    """One micrograph to segment: a frame of an opened file, and the name of its results."""

    name: str
    path: Path
    stack: Sequence[Micrograph]
    frame: int


@dataclass(slots=True)
class Segmented:
    """What was written to ``folder``: a record per micrograph, what failed and why, the particles of all."""

    folder: Path
    model: dict[str, Any] = field(default_factory=dict)
    files: list[dict[str, Any]] = field(default_factory=list)
    failed: list[dict[str, str]] = field(default_factory=list)
    tables: list[pandas.DataFrame] = field(default_factory=list)

    @property
    def particles(self) -> pandas.DataFrame:
        """One row a particle (``emgen.particles.measure``)."""
        import pandas as pd

        filled = [table for table in self.tables if len(table)]
        return pd.concat(filled, ignore_index=True) if filled else measure(np.zeros((1, 1), np.int32))


def segment_files(
    load: Callable[[], Model],
    images: Sequence[str | Path],
    out: Path,
    host: Host,
    *,
    pixel_size_nm: float | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> Segmented:
    """Segment files, folders and globs into ``out``; an unusable file is recorded and the others go on.

    Parameters
    ----------
    load: gives the model; called once the inputs are known to be all right.
    pixel_size_nm: of all micrographs; goes over what the files say.
    tell: called with a line of text after each micrograph.

    Raises
    ------
    NoImagesError: nothing to segment. OutputError: two results of one name, a result in an input's place, a folder that
    cannot be written. What was finished before is kept and listed.
    """
    result = Segmented(out)
    jobs = _open_all(_find(images, host, result.failed), host, result.failed)
    if not jobs and not result.failed:
        raise NoImagesError("The files given hold no micrograph.")
    _refuse_collisions(jobs, out)
    _make_folder(out)
    try:
        if jobs:
            _segment_all(load(), jobs, host, result, pixel_size_nm, tell)
    finally:
        _write_tables(result)
    return result


def _find(images: Sequence[str | Path], host: Host, failed: list[dict[str, str]]) -> list[Path]:
    """The files named, each once. A pattern that yields nothing is a failed input, unless all of them are."""
    found: dict[Path, Path] = {}
    errors = {}
    for pattern in map(str, images):
        try:
            found |= {path.resolve(): path for path in expand_images([pattern], Path(), suffixes_of(host))}
        except NoImagesError as error:
            errors[pattern] = str(error)
    if not found:
        raise NoImagesError("\n".join(errors.values()) or "No images were named.")
    failed += [{"input": pattern, "reason": reason} for pattern, reason in errors.items()]
    return list(found.values())


def _open_all(paths: Sequence[Path], host: Host, failed: list[dict[str, str]]) -> list[Job]:
    jobs = []
    for path in paths:
        try:
            stack = open_file(path, host)
        except DataError as error:
            failed.append({"input": str(path), "reason": str(error)})
            continue
        jobs += [Job(frame_name(path, i, len(stack)), path, stack, i) for i in range(len(stack))]
    return jobs


def _refuse_collisions(jobs: Sequence[Job], out: Path) -> None:
    refuse_equal_names([(job.name, job.path) for job in jobs])
    inputs = {job.path.resolve() for job in jobs}
    for job in jobs:
        for result in (mask_path(out, job.name), labels_path(out, job.name)):
            if result.resolve() in inputs:
                raise OutputError(
                    f"{job.path} would write its result over the input {result}. Choose another --out, or leave "
                    "results of an earlier call out of the inputs."
                )


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        trial = out / ".emgen-writes-here"
        trial.touch()
        trial.unlink()
    except OSError as error:
        raise OutputError(f"{out}: results cannot be written there ({error}). Choose another folder.") from error


def _segment_all(
    model: Model,
    jobs: Sequence[Job],
    host: Host,
    result: Segmented,
    pixel_size_nm: float | None,
    tell: Callable[[str], None],
) -> None:
    result.model |= {key: model.info.get(key) for key in ("task", "modality", "working_diameter", "simulated")}
    normalise = modality_normalise(host, model.modality)
    for job in jobs:
        try:
            raw = read_frame(job.stack, job.frame, job.path)
            micrograph = normalise_micrograph(raw, normalise, job.name, job.path, "", pixel_size_nm)
        except DataError as error:
            result.failed.append({"input": str(job.path), "reason": str(error)})
            tell(f"{job.name}: failed. {error}")
            continue
        found = model.segment(micrograph.image_HW)
        size = micrograph.pixel_size_nm
        mask = write_mask(result.folder, job.name, found.label_HW, size)
        labels = write_labels(result.folder, job.name, found.label_HW, size)
        table = measure(found.label_HW, micrograph.image_HW, size, job.name)
        result.tables.append(table)
        result.files.append(
            {
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
            }
        )
        tell(f"{job.name}: {_in_words(result.files[-1])}")


def _in_words(record: dict[str, Any]) -> str:
    for unit in ("nm", "px"):
        if f"diameter_{unit}" in record:
            return f"{record['particles']} particles, median diameter {record[f'diameter_{unit}']['median']:.3g} {unit}"
    return f"{record['particles']} particles"


def _write_tables(result: Segmented) -> None:
    table = result.particles
    units = sorted({record["native_dtype"] for record in result.files})
    summary = {
        "model": result.model,
        "micrographs": len(result.files),
        "total": size_summary(table),
        "notes": [f"mixed bit depths: {', '.join(units)}"] if len(units) > 1 else [],
        "files": result.files,
        "failed": result.failed,
    }
    _replace(result.folder / TABLE, table.to_csv(index=False, float_format="%.6g"))
    _replace(result.folder / SUMMARY, json.dumps(summary, indent=1) + "\n")


def _replace(path: Path, text: str) -> None:
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_text(text, encoding="utf-8")
        os.replace(partial, path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error}).") from error

"""One micrograph after the other, in one process: read, segmented, written, measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emgen.data import Micrograph
from emgen.data.stack import modality_normalise, open_file
from emgen.errors import DataError, OutputError
from emgen.frame import Frame
from emgen.particles import size_summary, write_labels, write_mask
from emgen.segmenting.jobs import Job
from emgen.writing import Labelled
from emgen.writing.formats import STACKED, gathering, open_writers
from emgen.writing.zarr_stacks import stack_place

if TYPE_CHECKING:
    import pandas

    from emgen.host import Host
    from emgen.model import Model


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a call segments.

    Attributes
    ----------
    out: folder of the results; relative ones, and relative inputs, start at ``base``.
    pixel_size_nm: of all micrographs; goes over what the files say.
    formats: besides masks and labels, or in their place (``emgen.writing.FORMATS``).
    labels_to: folder or URL of the Zarr stacks (absolute), ``None`` for ``out``.
    precision: ``auto`` allows the model shorter arithmetic where the processor has it; ``float32`` does not.
    """

    out: Path
    base: Path
    pixel_size_nm: float | None = None
    formats: tuple[str, ...] = ()
    labels_to: str | None = None
    precision: str = "auto"

    def __post_init__(self) -> None:
        """Raises ``OutputError`` for a place of stacks where none are asked for."""
        if self.labels_to is not None and not self.stacked:
            raise OutputError("--labels-to is the place of Zarr stacks: add `--write zarr`, or leave it out.")

    @property
    def stacked(self) -> bool:
        """Whether labels go into Zarr stacks, in the place of TIFF files."""
        return STACKED in self.formats


@dataclass(frozen=True, slots=True)
class Done:
    """What became of one micrograph: its record and its particles, or why there are none.

    ``labelled``: its labels, where a format holds all micrographs in one file.
    """

    job: Job
    record: dict[str, Any] | None = None
    table: pandas.DataFrame | None = None
    reason: str = ""
    labelled: Labelled | None = None


class Bench:
    """A loaded model and what it takes to use it. A job that is done twice gives the same files again."""

    def __init__(self, model: Model, host: Host, settings: Settings) -> None:
        self._model, self._host, self._settings = model.accelerate(settings.precision), host, settings
        self._normalise = modality_normalise(host, model.modality)
        own = [name for name in settings.formats if not gathering(name)]
        self._gathers = len(own) < len(settings.formats)
        self._writers = open_writers(own, self._out, settings.labels_to)
        self._opened: tuple[Path, Sequence[Micrograph]] | None = None

    @property
    def _out(self) -> Path:
        return self._settings.base / self._settings.out

    def do(self, job: Job) -> Done:
        """A micrograph that cannot be used is told in ``reason``. Raises ``OutputError``, and what the model raises."""
        try:
            return self._segmented(job, self._read(job))
        except DataError as error:
            return Done(job, reason=str(error))

    def _frames(self, path: Path) -> Sequence[Micrograph]:
        """The file's frames; the last file stays open, as its next frame is most often asked for next."""
        if self._opened is None or self._opened[0] != path:
            self._opened = path, open_file(self._settings.base / path, self._host)
        return self._opened[1]

    def _read(self, job: Job) -> Frame:
        stack, size = self._frames(job.path), self._settings.pixel_size_nm
        return Frame.read(stack, job.frame, name=job.name, path=job.path, normalise=self._normalise, pixel_size_nm=size)

    def _segmented(self, job: Job, frame: Frame) -> Done:
        seen = frame.seen
        found, size = self._model.segment(seen.image_HW), seen.pixel_size_nm
        labelled = Labelled(
            name=job.name,
            label_HW=found.label_HW,
            image_HW=frame.raw.image_HW,
            pixel_size_nm=size,
            source=job.path,
            frame=job.frame,
            stack=job.stack,
        )
        where = self._write_labels(labelled)
        also = self._writers.add(labelled)
        table = frame.measured(found.label_HW)
        record = {
            "name": job.name,
            "source": str(job.path),
            "frame": job.frame,
            "shape": list(seen.image_HW.shape),
            "native_dtype": seen.native_dtype,
            "pixel_size_nm": size,
            "scale_factor": round(float(found.factor), 6),
            **size_summary(table),
            "notes": list(seen.notes),
            **where,
            "written": [path.name for path in also],
        }
        return Done(job, record, table, labelled=labelled.without_image() if self._gathers else None)

    def _write_labels(self, labelled: Labelled) -> dict[str, Any]:
        """Where the summary says the labels are."""
        if self._settings.stacked:
            assert labelled.stack is not None
            return {
                "labels": stack_place(labelled.stack.name, self._settings.labels_to),
                "labels_frame": labelled.frame,
            }
        name, label_HW, size = labelled.name, labelled.label_HW, labelled.pixel_size_nm
        mask = write_mask(self._out, name, label_HW, size)
        return {"mask": mask.name, "labels": write_labels(self._out, name, label_HW, size).name}

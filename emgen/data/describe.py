"""What a file holds, in figures and words: the matter of ``emgen info``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emgen.data.discover import expand_images
from emgen.data.micrograph import Micrograph
from emgen.data.opening import open_with_reader, read_frame, suffixes_of, suggestions_of
from emgen.data.units import settled_pixel_size
from emgen.errors import DataError, NoImagesError

if TYPE_CHECKING:
    from emgen.host import Host

OF_THE_SIZE = ("pixel_size_stated", "pixel_size_unknown", "pixel_size_problem")
INTERNAL = ("notes", "time_s", "uncropped_HW", "image_rows", *OF_THE_SIZE)


@dataclass(frozen=True, slots=True)
class Described:
    """What was read of one file; pixels of its first micrograph alone.

    Attributes
    ----------
    reader: the plugin that opened it. micrographs: how many it holds.
    shape_HW: of one of them, as every command gets it (without data bar). dtype: in the file.
    pixel_size_nm: ``None`` where it is unknown; ``pixel_size_why`` then says why.
    pixel_size_stated: as the file has it.
    time_step_s: from the first micrograph of a series to the second.
    notes: what was changed in reading. metadata: what else the file says.
    """

    path: str
    reader: str
    micrographs: int
    shape_HW: tuple[int, int]
    dtype: str
    pixel_size_nm: float | None
    pixel_size_stated: str | None
    pixel_size_why: str | None
    time_step_s: float | None
    notes: tuple[str, ...]
    metadata: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "shape_HW": list(self.shape_HW), "notes": list(self.notes)}


def describe_files(images: Sequence[str], host: Host) -> tuple[list[Described], list[dict[str, str]]]:
    """What files, folders and globs hold, and what could not be read: ``{"input", "reason"}`` each.

    Of a folder, files that a package not installed would open count too: as failures that name it.
    """
    found: dict[Path, Path] = {}
    failed: list[dict[str, str]] = []
    suffixes = suffixes_of(host) | set(suggestions_of(host))
    for pattern in images:
        try:
            found |= {path.resolve(): path for path in expand_images([pattern], Path(), suffixes)}
        except NoImagesError as error:
            failed.append({"input": pattern, "reason": str(error)})
    described = []
    for path in found.values():
        try:
            described.append(describe(path, host))
        except DataError as error:
            failed.append({"input": str(path), "reason": str(error)})
    return described, failed


def describe(path: Path, host: Host) -> Described:
    """What one file holds. Raises ``UnreadableFileError``, and ``BadImageError`` also for a senseless pixel size."""
    stack, reader = open_with_reader(path, host)
    first = read_frame(stack, 0, path)
    size_nm = settled_pixel_size(first, None)
    facts = first.metadata
    height, width = first.image_HW.shape
    return Described(
        path=str(path),
        reader=reader,
        micrographs=len(stack),
        shape_HW=(int(height), int(width)),
        dtype=str(first.image_HW.dtype),
        pixel_size_nm=None if size_nm is None else round(size_nm, 9),
        pixel_size_stated=facts.get("pixel_size_stated"),
        pixel_size_why=None if size_nm is not None else str(facts.get("pixel_size_unknown", "the file states none")),
        time_step_s=_time_step(stack, first),
        notes=tuple(facts.get("notes", ())),
        metadata={name: _plain(value) for name, value in facts.items() if name not in INTERNAL},
    )


def _time_step(stack: Sequence[Micrograph], first: Micrograph) -> float | None:
    start = first.metadata.get("time_s")
    if start is None or len(stack) < 2:
        return None
    second = stack[1].metadata.get("time_s")
    return None if second is None else round(float(second) - float(start), 9)


def _plain(value: Any) -> Any:
    return value if isinstance(value, bool | int | float | str) or value is None else str(value)

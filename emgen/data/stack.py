"""A set of micrographs, read, checked and normalised one at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emgen.data.cropping import bars_are_kept
from emgen.data.micrograph import Micrograph, NormalisedMicrograph, frame_name
from emgen.data.opening import open_file as open_file
from emgen.data.opening import read_frame as read_frame
from emgen.data.opening import suffixes_of as suffixes_of
from emgen.data.units import settled_pixel_size
from emgen.errors import BadImageError, DataError, NoImagesError, OutputError, listing
from emgen.stages import FloatArray

if TYPE_CHECKING:
    from emgen.host import Host


@dataclass(frozen=True, slots=True)
class MicrographInfo:
    """What is known of a micrograph once it was read: everything but its pixels."""

    name: str
    source: Path
    shape_HW: tuple[int, int]
    native_dtype: str
    pixel_size_nm: float | None
    sha256: str
    notes: tuple[str, ...]


class MicrographSet(Sequence[NormalisedMicrograph]):
    """The micrographs of ``paths`` in order; ``set[i]`` reads, checks and normalises the i-th anew.

    A multi-page file counts as so many micrographs. File headers are read at once, pixels only on demand.

    Parameters
    ----------
    modality: name of the modality whose ``normalise`` is used.
    pixel_size_nm: of every micrograph; goes over what the files say.

    Raises
    ------
    UnreadableFileError: a file cannot be opened. OutputError: two micrographs would have one name.
    """

    def __init__(self, paths: Sequence[Path], host: Host, modality: str, pixel_size_nm: float | None = None) -> None:
        self._normalise = modality_normalise(host, modality)
        self._pixel_size_nm = pixel_size_nm
        self._digests: dict[Path, str] = {}
        opened = [(path, open_file(path, host)) for path in paths]
        self._frames = [(path, stack, i) for path, stack in opened for i in range(len(stack))]
        self.names = [frame_name(path, i, len(stack)) for path, stack, i in self._frames]
        refuse_equal_names(list(zip(self.names, [path for path, _, _ in self._frames], strict=True)))

    def __len__(self) -> int:
        return len(self._frames)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        path, stack, frame = self._frames[index]
        raw = read_frame(stack, frame, path)
        return normalise_micrograph(
            raw, self._normalise, self.names[index], path, self._sha256(path, frame), self._pixel_size_nm
        )

    def raw(self, index: int) -> Micrograph:
        """The i-th as its file holds it, checked but not normalised."""
        path, stack, frame = self._frames[index]
        return read_frame(stack, frame, path)

    def __iter__(self) -> Iterator[NormalisedMicrograph]:
        return (self[i] for i in range(len(self)))

    def require(self, count: int, purpose: str) -> None:
        """Raise ``NoImagesError`` if there are fewer than ``count`` micrographs."""
        if len(self) < count:
            raise NoImagesError(
                f"{purpose} needs at least {count} micrographs, the images given are {len(self)}. "
                "Add images or ask for fewer."
            )

    def survey(self) -> list[MicrographInfo]:
        """Read every micrograph once. Raises one ``DataError`` that names all the unusable ones."""
        infos, failures = [], []
        for index in range(len(self)):
            try:
                m = self[index]
            except DataError as error:
                failures.append(error)
                continue
            height, width = m.image_HW.shape
            infos.append(
                MicrographInfo(m.name, m.source, (height, width), m.native_dtype, m.pixel_size_nm, m.sha256, m.notes)
            )
        if failures:
            raise _together(failures, len(self))
        return infos

    def _sha256(self, path: Path, frame: int) -> str:
        if path not in self._digests:
            self._digests[path] = file_sha256(path)
        return frame_sha256(self._digests[path], frame)


def set_notes(infos: Sequence[MicrographInfo]) -> list[str]:
    """What a reader of the report should know of the set: mixed bit depths, sizes and pixel sizes, dropped channels."""
    notes = []
    for title, values in (
        ("bit depths", {i.native_dtype for i in infos}),
        ("sizes", {f"{i.shape_HW[0]}x{i.shape_HW[1]}" for i in infos}),
        ("pixel sizes", {"unknown" if i.pixel_size_nm is None else f"{i.pixel_size_nm:.4g} nm" for i in infos}),
    ):
        if len(values) > 1:
            notes.append(f"mixed {title}: {listing(values)}")
    for text in sorted({note for i in infos for note in i.notes}):
        notes.append(f"{text} in {sum(text in i.notes for i in infos)} of {len(infos)} micrographs")
    return notes


def modality_normalise(host: Host, modality: str) -> Callable[[NDArray[Any]], FloatArray]:
    """The ``normalise`` function of a modality, imported."""
    return host.find("modality", modality).load()


def normalise_micrograph(
    raw: Micrograph,
    normalise: Callable[[NDArray[Any]], FloatArray],
    name: str,
    source: Path,
    sha256: str,
    pixel_size_nm: float | None = None,
) -> NormalisedMicrograph:
    """Apply ``normalise``; ``pixel_size_nm`` goes over the file's.

    Raises ``BadImageError`` where the file states a pixel size that cannot be right and none is given.
    """
    size_nm = settled_pixel_size(raw, pixel_size_nm)
    image_HW = normalise(raw.image_HW)
    if not np.isfinite(image_HW).all():
        raise BadImageError(f"{source}: values from {raw.image_HW.min()} to {raw.image_HW.max()} overflow float32.")
    return NormalisedMicrograph(
        image_HW=image_HW,
        pixel_size_nm=size_nm,
        name=name,
        source=source,
        sha256=sha256,
        native_dtype=str(raw.image_HW.dtype),
        notes=tuple(raw.metadata.get("notes", ())),
        metadata=raw.metadata,
    )


def file_sha256(path: Path) -> str:
    """Identity of what is read of a file: its bytes (of a folder, those of its files and their paths in it).

    Another one where data bars are kept, as then other pixels come out of it.
    """
    if not path.is_dir():
        digest = _bytes_sha256(path)
    else:
        files = sorted((file.relative_to(path).as_posix(), file) for file in path.rglob("*") if file.is_file())
        listed = "\n".join(f"{name}:{_bytes_sha256(file)}" for name, file in files)
        digest = hashlib.sha256(listed.encode()).hexdigest()
    return hashlib.sha256(f"{digest}:bars kept".encode()).hexdigest() if bars_are_kept() else digest


def _bytes_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def frame_sha256(file_digest: str, frame: int) -> str:
    """Identity of one frame of a file."""
    return hashlib.sha256(f"{file_digest}:{frame}".encode()).hexdigest()


def refuse_equal_names(named: Sequence[tuple[str, Path]]) -> None:
    """Raise ``OutputError`` if two micrographs have one name, as one's results would overwrite the other's."""
    first: dict[str, Path] = {}
    for name, path in named:
        if name in first:
            raise OutputError(
                f'{first[name]} and {path} would both write results named "{name}". Rename one, or run them apart.'
            )
        first[name] = path


def _together(failures: Sequence[DataError], total: int) -> DataError:
    if len(failures) == 1:
        return failures[0]
    lines = "\n".join(f"  {error}" for error in failures)
    return BadImageError(f"{len(failures)} of {total} micrographs cannot be used:\n{lines}")

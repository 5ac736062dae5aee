"""``emgen measure``: from masks, label images or probabilities of anywhere to a particle table and sizes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emgen.data import expand_each, expand_images, frame_name
from emgen.data.opening import open_file, read_frame, suffixes_of
from emgen.data.stack import refuse_equal_names
from emgen.errors import BadImageError, DataError, UnreadableFileError
from emgen.files import make_folder, write_json_file
from emgen.particles import measure, size_summary
from emgen.particles.instances import Meaning, instances_of, meaning_of
from emgen.particles.tables import concatenated, write_table
from emgen.sizes import Response, SizeDistribution, sample_from_table, size_distribution, write_sizes
from emgen.stages import LabelArray
from emgen.writing import Labelled, Writers

if TYPE_CHECKING:
    import pandas

    from emgen.host import Host

SUMMARY = "summary.json"
ENDINGS = ("_labels", "_mask", "_probability")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How masks are read.

    Attributes
    ----------
    pixel_size_nm: of all; goes over what the files say. meaning: of the pictures; ``None``: told from each.
    split: whether touching particles of masks and probabilities are cut apart.
    response: of the model that made the masks, for the correction of recall and size bias. factor: the model's working
        scale over that of the masks; ``None``: what ``summary.json`` of ``emgen segment`` beside the masks says.
    """

    pixel_size_nm: float | None = None
    meaning: Meaning | None = None
    split: bool = True
    response: Response | None = None
    factor: float | None = None


@dataclass(slots=True)
class Measured:
    """What was written to ``folder``: a record per mask, what failed and why, the particles of all, their sizes."""

    folder: Path
    files: list[dict[str, Any]] = field(default_factory=list)
    failed: list[dict[str, str]] = field(default_factory=list)
    tables: list[pandas.DataFrame] = field(default_factory=list)
    sizes: SizeDistribution | None = None

    @property
    def particles(self) -> pandas.DataFrame:
        """One row a particle (``emgen.particles.measure``)."""
        return concatenated(self.tables)


def measure_files(
    masks: Sequence[str | Path],
    out: Path,
    host: Host,
    *,
    images: Sequence[str | Path] = (),
    settings: Settings = Settings(),
    writers: Writers | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> Measured:
    """Measure masks (files, folders, globs) into ``out``; one that cannot be used is recorded and the others go on.

    ``images``: micrographs of the same stems, for intensities and overlays; a mask ``a_labels.tif`` is of ``a``.
    ``tell`` gets a line of text after each mask.

    Raises ``NoImagesError``: nothing to measure. ``OutputError``: two masks of one name, a folder that cannot be
    written.
    """
    result = Measured(out)
    micrographs = _by_stem(images, host)
    paths = expand_each(masks, suffixes_of(host), result.failed, one_a_stem)
    jobs = list(_jobs(paths, host, result.failed))
    refuse_equal_names([(name, path) for name, path, _, _ in jobs])
    make_folder(out)
    try:
        with writers or Writers() as opened:
            for name, path, stack, frame in jobs:
                try:
                    _measure_one(result, name, (path, stack, frame), micrographs, host, settings, opened)
                except DataError as error:
                    result.failed.append({"input": str(path), "reason": str(error)})
                    tell(f"{name}: failed. {error}")
                    continue
                tell(f"{name}: {result.files[-1]['particles']} particles")
    finally:
        _write(result, settings)
    return result


def _measure_one(
    result: Measured,
    name: str,
    where: tuple[Path, Sequence[Any], int],
    micrographs: Mapping[str, Path],
    host: Host,
    settings: Settings,
    writers: Writers,
) -> None:
    path, stack, frame = where
    mask_HW, size = _read(path, stack, frame, settings)
    meaning = settings.meaning or meaning_of(mask_HW, path)
    label_HW = instances_of(mask_HW, meaning, path, split=settings.split)
    image_HW = _image_of(name, frame, label_HW, path, micrographs, host)
    table = measure(label_HW, None if image_HW is None else image_HW.astype(np.float32), size, name)
    labelled = Labelled(name=name, label_HW=label_HW, image_HW=image_HW, pixel_size_nm=size, source=path, frame=frame)
    written = writers.add(labelled)
    result.tables.append(table)
    result.files.append(
        {
            "name": name,
            "source": str(path),
            "frame": frame,
            "meaning": meaning,
            "touching": "split" if settings.split and meaning != "labels" else "as they are",
            "shape": list(label_HW.shape),
            "pixel_size_nm": size,
            **size_summary(table),
            "written": [file.name for file in written],
        }
    )


def _read(path: Path, stack: Sequence[Any], frame: int, settings: Settings) -> tuple[NDArray[Any], float | None]:
    """The picture, and the pixel size; a mask may be constant, which a micrograph may not."""
    try:
        picture = stack[frame]
    except DataError:
        raise
    except Exception as error:  # whatever a reader meets in a damaged file
        raise UnreadableFileError(
            f"{path}: cannot be read ({type(error).__name__}: {error}). Copy it again."
        ) from error
    if settings.pixel_size_nm is not None:
        return np.asarray(picture.image_HW), settings.pixel_size_nm
    return np.asarray(picture.image_HW), picture.pixel_size_nm


def _image_of(
    name: str, frame: int, label_HW: LabelArray, path: Path, micrographs: Mapping[str, Path], host: Host
) -> NDArray[Any] | None:
    """The micrograph in its file's own values. Raises ``BadImageError`` where it has another size than its mask."""
    source = micrographs.get(name) or micrographs.get(stem_of(path))
    if source is None:
        return None
    stack = open_file(source, host)
    image_HW = read_frame(stack, frame if len(stack) > 1 else 0, source).image_HW
    if image_HW.shape != label_HW.shape:
        sizes = [f"{shape[1]} x {shape[0]} px" for shape in (label_HW.shape, image_HW.shape)]
        raise BadImageError(f"{path} is {sizes[0]}, {source} is {sizes[1]}. A mask has the size of its micrograph.")
    return np.asarray(image_HW)


def _jobs(
    paths: Sequence[Path], host: Host, failed: list[dict[str, str]]
) -> Iterator[tuple[str, Path, Sequence[Any], int]]:
    for path in paths:
        try:
            stack = open_file(path, host)
        except DataError as error:
            failed.append({"input": str(path), "reason": str(error)})
            continue
        named = path.with_name(stem_of(path) + path.suffix)
        yield from ((frame_name(named, i, len(stack)), path, stack, i) for i in range(len(stack)))


def one_a_stem(files: Sequence[Path]) -> list[Path]:
    """The masks among the files of a folder or glob: where some are named as masks, the others are none (micrographs,
    overlays, figures). Of a mask and labels of one micrograph, as ``emgen segment`` leaves them, the labels: they tell
    more."""
    named = [path for path in files if path.stem.endswith(ENDINGS)]
    labels = {(path.parent, stem_of(path)) for path in named if path.stem.endswith("_labels")}
    told = [p for p in named if p.stem.endswith("_labels") or (p.parent, stem_of(p)) not in labels]
    return told or list(files)


def stem_of(path: Path) -> str:
    """The micrograph that a mask is of.

    >>> stem_of(Path("a/b_labels.tif"))
    'b'
    """
    ending = next((end for end in ENDINGS if path.stem.endswith(end)), "")
    return path.stem.removesuffix(ending)


def _by_stem(images: Sequence[str | Path], host: Host) -> dict[str, Path]:
    paths = expand_images([str(image) for image in images], Path(), suffixes_of(host)) if images else []
    refuse_equal_names([(path.stem, path) for path in paths])
    return {path.stem: path for path in paths}


def _factors(records: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """The scale that a model worked at, by name, from the summaries of ``emgen segment`` beside the masks."""
    found: dict[str, float] = {}
    for folder in {Path(record["source"]).parent for record in records}:
        try:
            kept = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))["files"]
            found |= {one["name"]: float(one["scale_factor"]) for one in kept}
        except (OSError, ValueError, KeyError, TypeError):  # of another command, or none: then it is not known
            continue
    return found


def _write(result: Measured, settings: Settings) -> None:
    table = result.particles
    write_table(result.folder, table)
    if result.files:
        shapes = {record["name"]: tuple(record["shape"]) for record in result.files}
        pixel_sizes = {record["name"]: record["pixel_size_nm"] for record in result.files}
        factors = dict.fromkeys(shapes, settings.factor) if settings.factor else _factors(result.files)
        sample = sample_from_table(table, shapes, pixel_sizes, factors)
        result.sizes = size_distribution(sample, settings.response)
        write_sizes(result.sizes, result.folder)
    summary = {
        "masks": len(result.files),
        "total": size_summary(table),
        "size_distribution": result.sizes.to_dict() if result.sizes else None,
        "files": result.files,
        "failed": result.failed,
    }
    write_json_file(result.folder / SUMMARY, summary)

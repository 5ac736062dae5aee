"""The frames of a series: which label image, which micrograph, in which order, of which pixel size."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emgen.data import expand_images, frame_name
from emgen.data.discover import natural_key
from emgen.data.opening import open_file, suffixes_of
from emgen.errors import BadImageError, DataError, NoImagesError
from emgen.measuring import SUMMARY, one_a_stem, stem_of

if TYPE_CHECKING:
    from emgen.host import Host

FEWEST = 2
_NUMBER = re.compile(r"(\d+)\D*$")


@dataclass(frozen=True, slots=True)
class Place:
    """One frame of a file."""

    path: Path
    frame: int


@dataclass(frozen=True, slots=True)
class SeriesFrame:
    """``name`` as in ``emgen segment``; ``image`` is None where there is no micrograph."""

    name: str
    labels: Place
    image: Place | None = None
    pixel_size_nm: float | None = None


@dataclass(slots=True)
class Sources:
    """The frames in order, and what a reader should know of how they were found."""

    frames: list[SeriesFrame]
    notes: list[str] = field(default_factory=list)


def find_frames(labels: Sequence[str | Path], images: Sequence[str | Path], host: Host) -> Sources:
    """The frames of a series in natural order (``f2`` before ``f10``).

    Parameters
    ----------
    labels: files, folders or globs of label images or masks, one file with many, or the folder of ``emgen segment``.
    images: their micrographs, by name or, where names differ, in order. Those that ``emgen segment`` names are taken
        where they are still there.

    Raises
    ------
    NoImagesError: fewer than two frames. BadImageError: two frames of one name, as many images as there are not labels.
    """
    summary = _summary_of(labels)
    sources = _of_summary(*summary) if summary else _of_files(labels, host)
    _refuse_twice(sources.frames)
    if len(sources.frames) < FEWEST:
        raise NoImagesError(
            f"{listing_of(labels)}: {len(sources.frames)} frame; a series has at least {FEWEST}. Name the label image "
            "of each frame, one file that holds all of them, or the folder that emgen segment wrote."
        )
    if images:
        sources.frames = _with_images(sources.frames, images, host)
    sources.notes += _jumps([frame.name for frame in sources.frames])
    return sources


def listing_of(paths: Sequence[str | Path]) -> str:
    return ", ".join(map(str, paths[:3])) + (" …" if len(paths) > 3 else "")


def _summary_of(labels: Sequence[str | Path]) -> tuple[Path, dict[str, Any]] | None:
    """The summary of the folder that ``emgen segment`` wrote, if this is one."""
    folder = Path(labels[0]) if len(labels) == 1 else None
    if folder is None or not (folder / SUMMARY).is_file():
        return None
    try:
        summary = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
        files = summary["files"]
        return (folder, summary) if files and all("labels" in one and "name" in one for one in files) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None  # of another command, or half a file: then its files are looked at


def _of_summary(folder: Path, summary: dict[str, Any]) -> Sources:
    records = sorted(summary["files"], key=lambda one: (natural_key(Path(one["source"])), int(one["frame"])))
    frames = []
    for one in records:
        source = Path(one["source"])
        image = Place(source, int(one["frame"])) if source.exists() else None
        size = one.get("pixel_size_nm")
        frames.append(
            SeriesFrame(str(one["name"]), Place(folder / one["labels"], int(one.get("labels_frame", 0))), image, size)
        )
    notes = []
    gone = sum(frame.image is None for frame in frames)
    if gone:
        notes.append(f"{gone} of {len(frames)} micrographs are no longer where emgen segment read them")
    if summary.get("failed"):
        notes.append(f"emgen segment failed on {len(summary['failed'])} inputs: these are no frames of this series")
    return Sources(frames, notes)


def _of_files(labels: Sequence[str | Path], host: Host) -> Sources:
    paths = []
    for pattern in labels:
        found = expand_images([str(pattern)], Path(), suffixes_of(host))
        paths += found if Path(pattern).is_file() else one_a_stem(found)
    _refuse_files_twice(paths)
    frames = []
    for path in sorted(paths, key=natural_key):
        count = len(open_file(path, host))
        named = path.with_name(stem_of(path) + path.suffix)
        frames += [SeriesFrame(frame_name(named, i, count), Place(path, i)) for i in range(count)]
    return Sources(frames)


def _refuse_files_twice(paths: Sequence[Path]) -> None:
    seen: set[Path] = set()
    for path in paths:
        if path.resolve() in seen:
            raise DataError(f"{path} is named twice; a frame stands once in a series.")
        seen.add(path.resolve())


def _refuse_twice(frames: Sequence[SeriesFrame]) -> None:
    first: dict[str, Path] = {}
    for frame in frames:
        if frame.name in first:
            raise DataError(
                f'{first[frame.name]} and {frame.labels.path} are both the frame "{frame.name}"; their order in the '
                "series is not known. Name the files of one series only."
            )
        first[frame.name] = frame.labels.path


def _with_images(frames: Sequence[SeriesFrame], images: Sequence[str | Path], host: Host) -> list[SeriesFrame]:
    """By name where every frame finds one, else in order."""
    found: list[tuple[str, Place]] = []
    for path in expand_images([str(image) for image in images], Path(), suffixes_of(host)):
        count = len(open_file(path, host))
        found += [(frame_name(path, i, count), Place(path, i)) for i in range(count)]
    named = dict(found)
    if all(frame.name in named for frame in frames):
        return [_imaged(frame, named[frame.name]) for frame in frames]
    if len(found) != len(frames):
        raise BadImageError(
            f"images: {len(found)} micrographs ({listing_of(images)}) for {len(frames)} label images, and their names "
            f'differ ("{found[0][0]}", "{frames[0].name}"). Give one micrograph a frame, in the same order.'
        )
    return [_imaged(frame, place) for frame, (_, place) in zip(frames, found, strict=True)]


def _imaged(frame: SeriesFrame, image: Place) -> SeriesFrame:
    return SeriesFrame(frame.name, frame.labels, image, frame.pixel_size_nm)


def _jumps(names: Sequence[str]) -> list[str]:
    """Numbers at the ends of names that leave some out."""
    numbers = [int(match[1]) if (match := _NUMBER.search(name)) else None for name in names]
    steps = [
        (first, second)
        for first, second in pairwise(numbers)
        if first is not None and second is not None and second - first > 1
    ]
    regular = len({second - first for first, second in steps}) == 1 and len(steps) == len(numbers) - 1
    if not steps or regular:
        return []
    first, second = steps[0]
    return [f"frame numbers jump from {first} to {second}: frames are taken as one time step apart all the same"]

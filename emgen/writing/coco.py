"""COCO JSON: every particle of every micrograph in one file, as detectors and instance segmenters are trained on."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emgen.errors import OutputError
from emgen.files import replacing, result_path
from emgen.stages import LabelArray
from emgen.writing.writer import Labelled, StackOf

FILE = "coco.json"
PARTICLE = {"id": 1, "name": "particle", "supercategory": "particle"}


class CocoWriter:
    """``coco.json``: images, and of each particle its pixels as uncompressed run lengths, its box and its area.

    Run lengths, not polygons: they hold a mask exactly, holes and all, and pycocotools takes them of single objects too
    (``iscrowd`` is 0; format: https://cocodataset.org/#format-data). ``label`` of an annotation is the particle's value
    in the label image. ``file_name`` is relative to the folder.

    Annotations go to a file beside it as they come, so that memory holds those of one image.

    Parameters
    ----------
    file: name of the JSON. info, licences: its parts of these names.
    """

    def __init__(
        self,
        folder: Path,
        file: str = FILE,
        info: Mapping[str, Any] | None = None,
        licences: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        self._path = result_path(folder, file, "")
        self._spool = self._path.with_name(f"{file}.annotations.partial")
        self._head = {"info": dict(info or {"description": "Particles found by emgen"}), "licenses": list(licences)}
        self._images: list[dict[str, Any]] = []
        self._annotations = 0

    def paths(self, name: str, stack: StackOf | None = None) -> Sequence[Path]:
        return [self._path]

    def add(self, labelled: Labelled) -> Sequence[Path]:
        number, lines = len(self._images) + 1, []
        for annotation in instances(labelled.label_HW):
            self._annotations += 1
            ids = {"id": self._annotations, "image_id": number, "category_id": PARTICLE["id"]}
            lines.append(json.dumps(ids | annotation, separators=(",", ":")) + "\n")
        try:
            with self._spool.open("a" if self._images else "w", encoding="utf-8") as file:
                file.writelines(lines)
        except OSError as error:
            raise OutputError(f"{self._path}: cannot be written ({error}).") from error
        self._images.append(_image(number, labelled, self._path.parent))
        return []

    def finish(self) -> Sequence[Path]:
        head = json.dumps({**self._head, "categories": [PARTICLE], "images": self._images}, indent=1)
        with replacing(self._path) as partial, partial.open("w", encoding="utf-8") as file:
            file.write(head.removesuffix("\n}") + ',\n "annotations": [\n')
            for number, line in enumerate(self._spooled()):
                file.write((",\n" if number else "") + line.rstrip("\n"))
            file.write("\n ]\n}\n")
        with suppress(OSError):
            self._spool.unlink()
        return [self._path]

    def _spooled(self) -> Iterator[str]:
        if self._images:
            with self._spool.open(encoding="utf-8") as lines:
                yield from lines


def _image(number: int, labelled: Labelled, folder: Path) -> dict[str, Any]:
    height, width = labelled.label_HW.shape
    return {
        "id": number,
        "file_name": labelled.name if labelled.source is None else _relative(labelled.source, folder),
        "width": width,
        "height": height,
        "name": labelled.name,
        "frame": labelled.frame,
        "pixel_size_nm": labelled.pixel_size_nm,
    }


def _relative(path: Path, folder: Path) -> str:
    try:
        return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()
    except ValueError:  # another drive
        return path.resolve().as_posix()


def instances(label_HW: LabelArray) -> Iterator[dict[str, Any]]:
    """Of each instance, in the order of their labels: ``segmentation``, ``area`` in px, ``bbox`` (x, y, width, height).

    >>> next(instances(np.array([[0, 1], [0, 1]], np.int32)))["segmentation"]
    {'size': [2, 2], 'counts': [2, 2]}
    """
    from scipy import ndimage as ndi

    height, width = label_HW.shape
    boxes = ndi.find_objects(label_HW)
    for label, starts, lengths in _runs(label_HW):
        rows, columns = boxes[label - 1]
        yield {
            "segmentation": {"size": [height, width], "counts": _counts(starts, lengths, height * width)},
            "area": int(lengths.sum()),
            "bbox": [columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start],
            "iscrowd": 0,
            "label": label,
        }


def _runs(label_HW: LabelArray) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.int64]]]:
    """(label, starts, lengths) of each instance's runs down the columns, one column after the other."""
    flat = label_HW.T.ravel()
    starts = np.flatnonzero(np.r_[True, flat[1:] != flat[:-1]])
    lengths, labels = np.diff(np.r_[starts, flat.size]), flat[starts]
    order = np.argsort(labels, kind="stable")
    order = order[labels[order] > 0]
    numbers, firsts = np.unique(labels[order], return_index=True)
    for label, mine in zip(numbers.tolist(), np.split(order, firsts[1:]), strict=False):
        yield label, starts[mine], lengths[mine]


def _counts(starts: NDArray[np.int64], lengths: NDArray[np.int64], total: int) -> list[int]:
    """Lengths of the runs in turn, the first outside the particle."""
    ends = starts + lengths
    gaps = starts - np.r_[0, ends[:-1]]
    counts: list[int] = np.stack([gaps, lengths], axis=1).ravel().tolist()
    return [*counts, total - int(ends[-1])] if ends[-1] < total else counts

"""The virtual images of a run as a data set that others can train on, with a card that says what they are.

::

    images/virtual-00001.tif   16 bit; value / 65535 is the intensity in [0, 1] that the networks made
    masks/virtual-00001.tif    0 and 255
    labels/virtual-00001.tif   instances, 0 background
    metadata.jsonl             a line an image: its files, split, particles, sizes
    provenance.csv             a row an image: every artifact, seed and verdict that it came from
    provenance.json            the run: steps, settings, seeds, versions, and the micrographs by their hashes
    splits/train.txt, val.txt  names
    coco.json, coco-train.json, coco-val.json
    README.md                  the card, with the front matter of the Hugging Face hub
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emgen import __version__
from emgen.cluster import Cluster, cluster_of, in_order
from emgen.errors import OutputError
from emgen.particles import equivalent_diameters
from emgen.particles.write import small_labels, write_tiff
from emgen.report.run import RunFolder
from emgen.writing.card import card, sources, stages
from emgen.writing.coco import CocoWriter
from emgen.writing.virtual import VirtualImages, Which, finished_run
from emgen.writing.writer import Labelled, Writers

if TYPE_CHECKING:
    from emgen.host import Host

FOLDERS = ("images", "masks", "labels", "splits")
FULL = 65535
MARK = {"simulated": "true", "made_by": f"emgen {__version__}"}
"""In the description of every TIFF, so that a virtual image cannot pass for a micrograph."""
VALIDATION = 0.15
"""Share of the images that ``splits/val.txt`` names."""
NO_LICENCE = "unknown"
AT_ONCE = 16
"""Images that a worker takes at once."""


def export_dataset(
    source: str | Path,
    out: Path | None = None,
    *,
    host: Host | None = None,
    device: str = "auto",
    tell: Callable[[str], None] = lambda line: None,
    generation: Which = "second",
    licence: str = NO_LICENCE,
    workers: int = 1,
    scheduler: str | None = None,
) -> Path:
    """Write the virtual data set of the finished run ``source`` into ``out``; returns that folder.

    Image by image, so it takes the memory of one; nothing stands at ``out`` until all of it is complete. The same run
    gives the same bytes.

    Parameters
    ----------
    out: a folder that is new or empty; by default ``<run>-dataset`` in the working folder.
    host, device: not used; every export takes them.
    generation: ``second``, or ``first``: before the contrast GAN.
    licence: an identifier of the hub (``cc-by-4.0``), into the card. Virtual images derive from the micrographs, so it
        is for their owner to say.
    workers, scheduler: write the pictures on so many processes, or on a Dask cluster that sees run and ``out``
        (``emgen.cluster``); the bytes are the same.

    Raises ``OutputError``: no run there, one that is not finished or whose artifacts are gone, a folder that is in use.
    """
    run, cluster = finished_run(source), cluster_of(workers, scheduler)
    virtual = VirtualImages(run, generation)
    out = Path(f"{run.folder.resolve().name}-dataset") if out is None else out
    with _new_folder(out) as folder:
        tell(f"{len(virtual)} images of the {generation} generation of {run.folder}")
        rows = _write_images(virtual, folder, cluster)
        _write_tables(virtual, folder, rows)
        (folder / "README.md").write_text(card(virtual, rows, licence), encoding="utf-8")
    tell(f"{out}: read README.md before you share it")
    return out


@contextmanager
def _new_folder(out: Path) -> Iterator[Path]:
    """A folder beside ``out`` that takes its place at the end; removed when that is not reached."""
    partial = out.with_name(out.name + ".partial")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise OutputError(f"{out}: stands already and is not empty. Choose another --out, or remove it.")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        for name in FOLDERS:
            (partial / name).mkdir(parents=True)
        yield partial
        if out.exists():
            out.rmdir()
        os.replace(partial, out)
    except OSError as error:
        raise OutputError(f"{out}: cannot be written ({error}). Free some space or choose another folder.") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _write_images(virtual: VirtualImages, folder: Path, cluster: Cluster | None) -> list[dict[str, Any]]:
    """All pictures and the COCO files; returns the lines of ``metadata.jsonl``."""
    held_out, size, rows = validation_places(virtual), virtual.pixel_size_nm, list[dict[str, Any]]()
    info = {"description": f"Virtual micrographs, {virtual.which} generation", "version": f"emgen {__version__}"}
    files = {"all": "coco.json", "train": "coco-train.json", "val": "coco-val.json"}
    with ExitStack() as closing:
        coco = {part: closing.enter_context(Writers([CocoWriter(folder, file, info)])) for part, file in files.items()}
        for index, (paths, content) in enumerate(_pictures(virtual, folder, cluster)):
            split, source = "val" if index in held_out else "train", folder / paths["file_name"]
            label_HW = np.asarray(virtual.labels[index], np.int32)
            labelled = Labelled(name=source.stem, label_HW=label_HW, pixel_size_nm=size, source=source)
            for part in ("all", split):
                coco[part].add(labelled)
            rows.append({**paths, "split": split, **content, "pixel_size_nm": size})
    return rows


@dataclass(frozen=True, slots=True)
class _Some:
    """Images of a run that a worker writes."""

    run: Path
    which: Which
    folder: Path
    places: range


_Written = tuple[dict[str, str], dict[str, Any]]
"""Of one image: where its pictures are, and what is on them."""


def _pictures(virtual: VirtualImages, folder: Path, cluster: Cluster | None) -> Iterator[_Written]:
    """In order, whoever writes them."""
    count = len(virtual)
    if cluster is None:
        yield from _write_some(virtual, folder, range(count))
        return
    run, folder = virtual.run.folder.absolute(), folder.absolute()
    some = (_Some(run, virtual.which, folder, range(i, min(i + AT_ONCE, count))) for i in range(0, count, AT_ONCE))
    with cluster.client() as client:
        for written in in_order(client, _by_a_worker, some):
            yield from written


def _by_a_worker(some: _Some) -> list[_Written]:
    return list(_write_some(VirtualImages(RunFolder(some.run), some.which), some.folder, some.places))


def _write_some(virtual: VirtualImages, folder: Path, places: range) -> Iterator[_Written]:
    for index in places:
        label_HW = np.asarray(virtual.labels[index], np.int32)
        name = f"virtual-{index + 1:05d}"
        yield _write_one(folder, name, virtual.images[index], label_HW, virtual.pixel_size_nm), _content(label_HW)


def _write_one(
    folder: Path, name: str, image_HW: NDArray[Any], label_HW: NDArray[np.int32], size: float | None
) -> dict[str, str]:
    """The three pictures; their paths as columns that the hub's viewer knows."""
    pictures = {
        "images": np.round(np.clip(image_HW, 0, 1) * FULL).astype(np.uint16),
        "masks": np.where(label_HW > 0, 255, 0).astype(np.uint8),
        "labels": small_labels(label_HW),
    }
    for kind, picture_HW in pictures.items():
        write_tiff(folder / kind / f"{name}.tif", picture_HW, size, MARK)
    files = {kind: f"{kind}/{name}.tif" for kind in pictures}
    return {"file_name": files["images"], "mask_file_name": files["masks"], "label_file_name": files["labels"]}


def _content(label_HW: NDArray[np.int32]) -> dict[str, Any]:
    diameters = equivalent_diameters(label_HW)
    return {
        "height": label_HW.shape[0],
        "width": label_HW.shape[1],
        "particles": len(diameters),
        "median_diameter_px": round(float(np.median(diameters)), 3) if len(diameters) else None,
        "covered": round(float((label_HW > 0).mean()), 5),
    }


def validation_places(virtual: VirtualImages, share: float = VALIDATION) -> set[int]:
    """The images held back, by the hash of the mask that each was made from: the same in both generations.

    No draw takes part, so a run that is exported again is split alike; at least one where there are two.
    """
    order = sorted(range(len(virtual)), key=lambda index: _hash(virtual.origin(index)))
    count = round(share * len(order))
    return set(order[: max(count, 1) if len(order) > 1 else 0])


def _hash(origin: Mapping[str, Any]) -> str:
    return hashlib.sha256(f"{origin['masks_key']}:{origin['masks_index']}".encode()).hexdigest()


def _write_tables(virtual: VirtualImages, folder: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    (folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    for split in ("train", "val"):
        names = [Path(row["file_name"]).stem for row in rows if row["split"] == split]
        (folder / "splits" / f"{split}.txt").write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    with (folder / "provenance.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, ["file_name", *(virtual.origin(0) if rows else [])], lineterminator="\n")
        table.writeheader()
        table.writerows({"file_name": row["file_name"], **virtual.origin(i)} for i, row in enumerate(rows))
    document = {
        "generation": virtual.which,
        **{key: virtual.run.manifest.get(key) for key in ("name", "seed", "modality", "environment")},
        "micrographs": sources(virtual),
        "steps": stages(virtual),
    }
    (folder / "provenance.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")

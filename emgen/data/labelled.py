"""Micrographs with their masks: pairs of files, read together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from emgen.data.discover import expand_images
from emgen.data.masks import read_labels
from emgen.data.stack import MicrographSet, file_sha256, frame_sha256, suffixes_of
from emgen.errors import BadImageError, NoImagesError
from emgen.stages import FloatArray, LabelArray

if TYPE_CHECKING:
    from emgen.host import Host

ENDINGS = ("_labels", "_mask")
"""In the order in which they are looked for: instances tell more than a mask."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A micrograph's file and that of its mask."""

    image: Path
    mask: Path

    @property
    def sha256(self) -> str:
        """Identity of the micrograph, as in a stack (the first frame of its file)."""
        return frame_sha256(file_sha256(self.image), 0)


def find_pairs(images: Sequence[str], masks: str | None, base: Path, host: Host) -> list[Pair]:
    """Each micrograph with its mask ``<stem>_labels`` or ``<stem>_mask``, of any suffix that a reader opens.

    ``masks``: a folder or glob; ``None``: beside each micrograph. Raises ``NoImagesError`` where nothing is found, and
    ``BadImageError`` that names every micrograph without a mask, or two that are the same.
    """
    suffixes = suffixes_of(host)
    paths = [path for path in expand_images(images, base, suffixes) if not path.stem.endswith(ENDINGS)]
    if not paths:
        raise NoImagesError(f"{', '.join(images)}: only masks there, no micrograph that they belong to.")
    files = expand_images([masks], base, suffixes) if masks is not None else _beside(paths, suffixes)
    known = {path.stem: path for path in files if path.stem.endswith(ENDINGS)}
    found = {path: next((known[name] for e in ENDINGS if (name := path.stem + e) in known), None) for path in paths}
    if alone := [path.name for path, mask in found.items() if mask is None]:
        where = masks if masks is not None else "the micrographs' own folder"
        raise BadImageError(
            f"no mask for {', '.join(alone)} in {where}: looked for <stem>_labels and <stem>_mask. Add it, name its "
            "folder in labelled.masks, or leave the micrograph out."
        )
    pairs = [Pair(path, mask) for path, mask in found.items() if mask is not None]
    _refuse_twins(pairs)
    return pairs


def _beside(paths: Sequence[Path], suffixes: set[str]) -> list[Path]:
    folders = sorted({path.parent for path in paths})
    return sorted(file for folder in folders for file in folder.iterdir() if file.suffix.lower() in suffixes)


def _refuse_twins(pairs: Sequence[Pair]) -> None:
    first: dict[str, Path] = {}
    for pair in pairs:
        if (twin := first.setdefault(pair.sha256, pair.image)) != pair.image:
            raise BadImageError(f"{pair.image} is the same file as {twin}. A micrograph counts once; remove one.")


def read_pair(pair: Pair, host: Host, modality: str) -> tuple[FloatArray, LabelArray]:
    """(H, W) normalised image and (H, W) int32 instances. Raises ``BadImageError`` where they do not pair.

    Of a mask that covers the data bar too, what lies beside the micrograph is taken.
    """
    micrographs = MicrographSet([pair.image], host, modality)
    if len(micrographs) != 1:
        raise BadImageError(
            f"{pair.image} holds {len(micrographs)} images; a labelled file holds one. Save them apart."
        )
    micrograph = micrographs[0]
    image_HW: FloatArray = micrograph.image_HW
    label_HW = read_labels(pair.mask, host)
    if label_HW.shape == micrograph.metadata.get("uncropped_HW"):
        label_HW = label_HW[: image_HW.shape[0]]
    if label_HW.shape != image_HW.shape:
        sizes = [f"{shape[1]} x {shape[0]} px" for shape in (label_HW.shape, image_HW.shape)]
        raise BadImageError(
            f"{pair.mask} is {sizes[0]}, {pair.image} is {sizes[1]}. A mask has the size of its micrograph."
        )
    covered = (label_HW > 0).mean()
    if covered in (0, 1):
        what = "no particle" if covered == 0 else "nothing but particle"
        raise BadImageError(
            f"{pair.mask} shows {what}: the mask is constant. Export it anew with particles and background as two "
            "values, or leave the micrograph out."
        )
    return image_HW, label_HW

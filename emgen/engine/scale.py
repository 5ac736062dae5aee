"""How large the particles of each micrograph are, and so by how much it is resized for training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from emgen.data.resize import worthwhile
from emgen.engine.handles import Micrographs, RoughLabels
from emgen.errors import DataError, NoParticlesError
from emgen.particles import equivalent_diameters, typical_diameter
from emgen.stages import LabelArray, Polarity

ENOUGH = 5
"""Fewer particles than this say too little about a micrograph's scale; the stack's median is taken then."""
FACTORS = (1 / 8, 4.0)
"""Least and greatest change of size: beyond them a wrong segmentation is likelier than such particles."""


@dataclass(frozen=True)
class Scale:
    """Per micrograph the particle count, typical diameter in native pixels (``None``: unknown) and factor.

    ``working_diameter``: in pixels, of the typical particle after resizing.
    """

    counts: tuple[int, ...]
    diameters: tuple[float | None, ...]
    factors: tuple[float, ...]
    working_diameter: float

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def measure_scale(rough: RoughLabels, names: Sequence[str], mode: str, working_diameter: float) -> Scale:
    """Raises ``NoParticlesError`` when no micrograph has any particle."""
    counts, diameters, sizes = [], [], []
    for index in range(len(names)):
        label_HW = rough[index]
        own = equivalent_diameters(label_HW)
        typical = float(typical_diameter(label_HW))
        counts.append(len(own))
        diameters.append(typical if np.isfinite(typical) else None)
        sizes.append(own)
    if not any(counts):
        raise NoParticlesError(no_particles(names))
    stack = _stack_diameter(counts, diameters, sizes)
    factors = [_factor(mode, count, own, stack, working_diameter) for count, own in zip(counts, diameters, strict=True)]
    known = [own if own and count >= ENOUGH else stack for count, own in zip(counts, diameters, strict=True)]
    reached = float(np.median([own * factor for own, factor in zip(known, factors, strict=True)]))
    return Scale(tuple(counts), tuple(diameters), tuple(factors), round(reached, 3))


def no_particles(names: Sequence[str]) -> str:
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return (
        f"the rough segmenter found no particle in {shown}. Look at the polarity (`modality`: are the particles bright "
        "or dark?), use another segmenter (`rough_segmenter: threshold` needs no weights), or lower its threshold."
    )


def _stack_diameter(counts: Sequence[int], diameters: Sequence[float | None], sizes: Sequence[Any]) -> float:
    """Median over the micrographs with enough particles; failing that with any, or of particles cut by the border."""
    enough = [own for count, own in zip(counts, diameters, strict=True) if own is not None and count >= ENOUGH]
    some = enough or [own for own in diameters if own is not None]
    return float(np.median(some)) if some else float(np.median(np.concatenate(sizes)))


def _factor(mode: str, count: int, own: float | None, stack: float, working_diameter: float) -> float:
    if mode == "native":
        return 1.0
    use_own = mode == "per-micrograph" and own is not None and count >= ENOUGH
    diameter = own if use_own and own is not None else stack
    return worthwhile(float(np.clip(working_diameter / diameter, *FACTORS)))


def check_polarity(micrographs: Micrographs, rough: RoughLabels, polarity: Polarity) -> None:
    """Raises ``DataError`` when most rough particles contrast with their surroundings the other way round."""
    signs: list[float] = []
    for index in range(0, len(micrographs), max(1, len(micrographs) // 12)):
        signs += _contrast_signs(micrographs.images[index].image_HW, rough[index])
    wrong = -1 if polarity == "bright" else 1
    if len(signs) >= 2 * ENOUGH and signs.count(wrong) > 0.75 * len(signs):
        raise DataError(
            f"modality says that particles are {polarity}, but {signs.count(wrong)} of {len(signs)} rough particles "
            f"are {'darker' if polarity == 'bright' else 'brighter'} than what is around them. Choose the modality of "
            "the other polarity, check the rough segmenter, or switch this check off: data.polarity_check: false."
        )


def _contrast_signs(image_HW: Any, label_HW: LabelArray) -> list[float]:
    """Of up to about 40 particles, the sign of each one's mean against the mean of the ring around it."""
    from scipy import ndimage

    signs = []
    boxes = [(n, box) for n, box in enumerate(ndimage.find_objects(label_HW), start=1) if box is not None]
    for number, box in boxes[:: max(1, len(boxes) // 40)]:
        wide = tuple(slice(max(0, side.start - 3), side.stop + 3) for side in box)
        own, labels, image = label_HW[wide] == number, label_HW[wide], image_HW[wide]
        ring = ndimage.binary_dilation(own, iterations=3) & (labels == 0)
        if ring.any():
            signs.append(float(np.sign(image[own].mean() - image[ring].mean())))
    return signs

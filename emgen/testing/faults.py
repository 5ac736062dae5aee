"""Known faults planted in images with exact labels, as GANs make them: to test what is to find such faults.

H, W: height and width in pixels. Particles are painted out with texture of the image's own background.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from emgen.stages import FloatArray, LabelArray

Fault = Literal["erased", "inverted", "shifted", "invented"]
FAULTS: tuple[Fault, ...] = ("erased", "inverted", "shifted", "invented")

SKIRT = 3
"""Pixels around a particle that the probe, or its being out of focus, still brightens."""
RELAXATIONS = 150


@dataclass(frozen=True, slots=True)
class Planted:
    """An image that no longer shows what its label says.

    Attributes
    ----------
    image_HW: float32 in [0, 1]. label_HW: the label it came with, unchanged.
    true_HW: what the image shows now.
    faults: instance -> what was done to it.
    invented: (y, x, radius) in px of particles without a label.
    """

    image_HW: FloatArray
    label_HW: LabelArray
    true_HW: LabelArray
    faults: Mapping[int, Fault]
    invented: Sequence[tuple[float, float, float]] = ()


def plant(
    image_HW: FloatArray,
    label_HW: LabelArray,
    shares: Mapping[Fault, float],
    rng: np.random.Generator,
    *,
    shift: float = 0.5,
) -> Planted:
    """Faults in random particles; ``shares``: of the particles, by kind; at least as many as they round to.

    ``shift``: in diameters of the particle. An invented particle is a copy of a labelled one that is at least as
    strong as their median. A fault for which there is no room on the background is left out.
    """
    canvas = _Canvas(np.array(image_HW, np.float32), np.array(label_HW, np.int32), rng)
    labels = [int(n) for n in rng.permutation(np.flatnonzero(np.bincount(label_HW.ravel())[1:]) + 1)]
    strong = canvas.strong(labels)
    waiting = list(labels)
    faults: dict[int, Fault] = {}
    kinds: tuple[Fault, ...] = ("erased", "inverted", "shifted")
    for kind in kinds:
        wanted = _count(shares.get(kind, 0.0), len(labels), rng)
        for label in list(waiting):
            if wanted > 0 and canvas.spoil(kind, label, shift):
                faults[label] = kind
                waiting.remove(label)
                wanted -= 1
    sound = [n for n in strong if n not in faults]
    wanted = _count(shares.get("invented", 0.0), len(labels), rng)
    invented: list[tuple[float, float, float]] = []
    for _ in range(4 * wanted):
        if sound and len(invented) < wanted and (spot := canvas.invent(int(rng.choice(sound)))):
            invented.append(spot)
    return Planted(np.clip(canvas.image, 0, 1), np.array(label_HW, np.int32), canvas.true, faults, tuple(invented))


def _count(share: float, total: int, rng: np.random.Generator) -> int:
    """``share * total`` rounded up or down at random, so that the mean is right for few particles too."""
    return int(np.floor(share * total + rng.random()))


class _Canvas:
    """The image while it is spoiled. ``original`` holds the particles as they were."""

    def __init__(self, image_HW: FloatArray, label_HW: LabelArray, rng: np.random.Generator) -> None:
        from scipy.ndimage import binary_dilation

        self.original, self.label, self.rng = image_HW, label_HW, rng
        self.image, self.true = image_HW.copy(), label_HW.copy()
        self.taken = binary_dilation(label_HW > 0, iterations=SKIRT)
        self.reach = max(2.0, 0.5 * float(np.sqrt(np.median(np.bincount(label_HW.ravel())[1:]) / np.pi)))
        self.smooth = _background(image_HW, self.taken, self.reach)

    def strong(self, labels: Sequence[int]) -> list[int]:
        """Particles whole within the image that stand out at least as the median does."""
        contrast = {n: abs(float((self.original - self.smooth)[self.label == n].mean())) for n in labels}
        middle = float(np.median(list(contrast.values()))) if contrast else 0.0
        return [n for n in labels if contrast[n] >= middle and not _at_edge(self.label == n)]

    def spoil(self, kind: str, label: int, shift: float) -> bool:
        own = self._skirt(label)
        if kind != "erased" and _at_edge(own):
            return False
        if kind == "inverted" and not self._would_show_inverted(own):
            return False
        if kind == "inverted":
            bright = self.smooth - (self.image - self.smooth)
            alpha = _feather(own)
            self.image = self.image + alpha * (bright - self.image)
        elif kind == "erased":
            if not self._paint_out(own):
                return False
        elif not self._move(label, own, shift):
            return False
        if kind != "shifted":
            self.true[self.label == label] = 0
        return True

    def invent(self, label: int) -> tuple[float, float, float] | None:
        """A copy of a particle where there is none; its centre and radius."""
        own = self._skirt(label)
        place = self._room(own)
        if place is None or not self._would_show(own, place):
            return None
        self._paste(label, own, place)
        self.true[_moved(self.label == label, place)] = int(self.true.max()) + 1
        ys, xs = np.nonzero(self.label == label)
        return float(ys.mean() + place[0]), float(xs.mean() + place[1]), float(np.sqrt(len(ys) / np.pi))

    def _skirt(self, label: int) -> NDArray[np.bool_]:
        """The particle with what the probe smears around it, without its neighbours."""
        from scipy.ndimage import binary_dilation

        mask: NDArray[np.bool_] = binary_dilation(self.label == label, iterations=SKIRT)
        skirt: NDArray[np.bool_] = mask & ((self.label == label) | (self.label == 0))
        return skirt

    def _paint_out(self, own: NDArray[np.bool_]) -> bool:
        """Texture from elsewhere on the local brightness."""
        place = self._room(own)
        if place is None:
            return False
        texture = np.roll(self.original - self.smooth, (-place[0], -place[1]), (0, 1))
        alpha = _feather(own)
        self.image = self.image + alpha * (self.smooth + texture - self.image)
        return True

    def _move(self, label: int, own: NDArray[np.bool_], shift: float) -> bool:
        length = 2 * shift * float(np.sqrt((self.label == label).sum() / np.pi))
        others = self.taken & ~own
        for angle in self.rng.uniform(0, 2 * np.pi) + np.arange(8) * np.pi / 4:
            place = (round(length * np.sin(angle)), round(length * np.cos(angle)))
            moved = _moved(own, place)
            if moved.sum() == own.sum() and not (moved & others).any() and self._paint_out(own):
                self._paste(label, own, place)
                self.true[self.label == label] = 0
                self.true[_moved(self.label == label, place)] = label
                return True
        return False

    def _paste(self, label: int, own: NDArray[np.bool_], place: tuple[int, int]) -> None:
        stamp = np.roll(_feather(own) * (self.original - self.smooth), place, (0, 1))
        self.image = (self.image + stamp).astype(np.float32)
        self.taken |= _moved(own, place)

    def _would_show_inverted(self, own: NDArray[np.bool_]) -> bool:
        contrast = (self.original - self.smooth)[own]
        left = np.clip(self.smooth[own] - contrast, 0, 1) - self.smooth[own]
        return abs(float(left.mean())) >= 0.7 * abs(float(contrast.mean()))

    def _would_show(self, own: NDArray[np.bool_], place: tuple[int, int]) -> bool:
        """False where the image is too near its greatest or least brightness for a particle to stand out."""
        ys, xs = np.nonzero(own)
        ground, stamp = self.image[ys + place[0], xs + place[1]], (self.original - self.smooth)[ys, xs]
        return abs(float((np.clip(ground + stamp, 0, 1) - ground).mean())) >= 0.7 * abs(float(stamp.mean()))

    def _room(self, own: NDArray[np.bool_]) -> tuple[int, int] | None:
        """A displacement that lays the mask on background, all of it within the image."""
        ys, xs = np.nonzero(own)
        height, width = own.shape
        for _ in range(300):
            dy = int(self.rng.integers(-ys.min(), height - ys.max()))
            dx = int(self.rng.integers(-xs.min(), width - xs.max()))
            if not self.taken[ys + dy, xs + dx].any():
                return dy, dx
        return None


def _background(image_HW: FloatArray, taken_HW: NDArray[np.bool_], sigma: float) -> NDArray[Any]:
    """Smooth brightness without the particles: a membrane over them, spanned by what is around (Laplace's equation)."""
    from scipy.ndimage import gaussian_filter

    free = (~taken_HW).astype(float)
    smooth = np.full(image_HW.shape, float(image_HW[~taken_HW].mean()) if free.any() else float(image_HW.mean()))
    for width in (8 * sigma, 4 * sigma, 2 * sigma, sigma):  # from coarse to fine, each where it has enough to go by
        near = gaussian_filter(free, width)
        mean = gaussian_filter(free * image_HW, width) / np.maximum(near, 1e-6)
        share = np.clip(2 * near, 0, 1)
        smooth = share * mean + (1 - share) * smooth
    for _ in range(RELAXATIONS):
        around = np.pad(smooth, 1, mode="edge")
        mean = (around[:-2, 1:-1] + around[2:, 1:-1] + around[1:-1, :-2] + around[1:-1, 2:]) / 4
        smooth = np.where(taken_HW, mean, smooth)
    return smooth.astype(np.float32)


def _feather(mask_HW: NDArray[np.bool_]) -> NDArray[np.float32]:
    """1 inside, falling to 0 over the outermost pixels."""
    from scipy.ndimage import distance_transform_edt

    depth = distance_transform_edt(np.pad(mask_HW, 1, mode="edge"))[1:-1, 1:-1]
    alpha: NDArray[np.float32] = np.clip(depth / 2, 0, 1).astype(np.float32)
    return alpha


def _moved(mask_HW: NDArray[np.bool_], place: tuple[int, int]) -> NDArray[np.bool_]:
    """Shifted by (dy, dx); what leaves the image is lost."""
    ys, xs = np.nonzero(mask_HW)
    ys, xs = ys + place[0], xs + place[1]
    kept = (ys >= 0) & (ys < mask_HW.shape[0]) & (xs >= 0) & (xs < mask_HW.shape[1])
    moved = np.zeros(mask_HW.shape, bool)
    moved[ys[kept], xs[kept]] = True
    return moved


def _at_edge(mask_HW: NDArray[np.bool_]) -> bool:
    return bool(mask_HW[[0, -1]].any() or mask_HW[:, [0, -1]].any())

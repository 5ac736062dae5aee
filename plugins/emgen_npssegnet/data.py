"""Batches of virtual micrographs with augmentation."""

from __future__ import annotations

import os
from collections.abc import Sequence

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # its version check at import asks the network

import albumentations as A
import cv2
import numpy as np

from emgen.registration import AUGMENTATIONS
from emgen.stages import Context, FloatArray, Stack

_HALF = 0.5


def augmentations(names: Sequence[str], noise: tuple[float, float]) -> A.Compose:
    """The paper's augmentations, each with probability 0.5, borders reflected.

    ``noise``: standard deviation as a share of the full range, given explicitly since albumentations 2 has a far
    stronger default than version 1 had.
    """
    known = {
        "flip": [A.HorizontalFlip(p=_HALF), A.VerticalFlip(p=_HALF)],
        "rotate90": [A.RandomRotate90(p=_HALF)],
        "shift-scale-rotate": [
            A.Affine(
                translate_percent=(-0.0625, 0.0625),
                scale=(0.9, 1.1),
                rotate=(-45, 45),
                border_mode=cv2.BORDER_REFLECT_101,
                p=_HALF,
            )
        ],
        "contrast": [A.RandomBrightnessContrast(0.15, 0.25, p=_HALF), A.RandomGamma((70, 140), p=_HALF)],
        "gauss-noise": [A.GaussNoise(std_range=noise, p=_HALF)],
    }
    return A.Compose([step for name in names for step in known[name]])


def plausible(names: Sequence[str], context: Context) -> tuple[str, ...]:
    """Those that the modality does not rule out; it knows of ``emgen.registration.AUGMENTATIONS`` alone."""
    allowed = AUGMENTATIONS if context.augmentations is None else context.augmentations
    return tuple(name for name in names if name in allowed or name not in AUGMENTATIONS)


class Batches:
    """Draws augmented batches; the same generator state gives the same batch."""

    def __init__(self, image_NHW: Stack, label_NHW: Stack, transform: A.Compose) -> None:
        self.images, self.labels, self.transform = image_NHW, label_NHW, transform

    def draw(self, indices: Sequence[int], rng: np.random.Generator) -> tuple[FloatArray, np.ndarray]:
        """(B, 1, H, W) float32 in [0, 1] and (B, H, W) int64 classes, 1 for particle."""
        self.transform.set_random_seed(int(rng.integers(2**31)))
        pairs = [self._one(int(i)) for i in indices]
        image_B1HW = np.stack([image for image, _ in pairs])[:, None]
        return np.clip(image_B1HW, 0, 1).astype(np.float32), np.stack([mask for _, mask in pairs]).astype(np.int64)

    def _one(self, i: int) -> tuple[np.ndarray, np.ndarray]:
        mask_HW = (np.asarray(self.labels[i]) > 0).astype(np.uint8)
        out = self.transform(image=np.asarray(self.images[i], dtype=np.float32)[..., None], mask=mask_HW)
        return out["image"][..., 0], out["mask"]

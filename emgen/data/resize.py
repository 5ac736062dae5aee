"""Change of scale: images anti-aliased, labels by the nearest pixel. Pixel areas, not centres, are aligned."""

from __future__ import annotations

import numpy as np

from emgen.stages import FloatArray, LabelArray

SAME_SIZE = 1.15
"""Up to this ratio two particle sizes count as equal: no network minds, but each resizing smooths the noise away."""


def worthwhile(factor: float) -> float:
    """The factor, or 1 where resizing by it changes little but the noise.

    >>> worthwhile(1.1), worthwhile(0.5)
    (1.0, 0.5)
    """
    return 1.0 if 1 / SAME_SIZE <= factor <= SAME_SIZE else factor


def scaled_shape(shape_HW: tuple[int, int], factor: float) -> tuple[int, int]:
    """Shape of an image after ``resize_image``; no side falls under one pixel.

    >>> scaled_shape((100, 3), 0.25)
    (25, 1)
    """
    return max(1, round(shape_HW[0] * factor)), max(1, round(shape_HW[1] * factor))


def resize_image(image_HW: FloatArray, factor: float) -> FloatArray:
    """(H, W) -> about (factor H, factor W), anti-aliased."""
    return resize_to(image_HW, scaled_shape((image_HW.shape[0], image_HW.shape[1]), factor))


def resize_to(image_HW: FloatArray, shape_HW: tuple[int, int]) -> FloatArray:
    """(H, W) -> ``shape_HW`` float32, bicubic with the filter widened on reduction, within the range of the input."""
    image_HW = np.ascontiguousarray(image_HW, dtype=np.float32)
    if image_HW.shape == tuple(shape_HW):
        return image_HW.copy()
    resized = _enlarged(image_HW, shape_HW) if _grows(image_HW, shape_HW) else _resized(image_HW, shape_HW)
    return np.clip(resized, image_HW.min(), image_HW.max())


def binned(image_HW: FloatArray) -> FloatArray:
    """(H, W), both even -> (H / 2, W / 2) float32: means of 2 x 2 pixels."""
    import cv2

    half = (image_HW.shape[1] // 2, image_HW.shape[0] // 2)
    image_HW = np.ascontiguousarray(image_HW, np.float32)
    return np.asarray(cv2.resize(image_HW, half, interpolation=cv2.INTER_AREA))


def _grows(image_HW: FloatArray, shape_HW: tuple[int, int]) -> bool:
    return all(new >= old for new, old in zip(shape_HW, image_HW.shape, strict=True))


def _resized(image_HW: FloatArray, shape_HW: tuple[int, int]) -> FloatArray:
    from PIL import Image

    resized = Image.fromarray(image_HW).resize((shape_HW[1], shape_HW[0]), Image.Resampling.BICUBIC)
    return np.asarray(resized, dtype=np.float32)


def _enlarged(image_HW: FloatArray, shape_HW: tuple[int, int]) -> FloatArray:
    """By OpenCV, several times faster, but with no filter for reduction."""
    import cv2

    return np.asarray(cv2.resize(image_HW, shape_HW[::-1], interpolation=cv2.INTER_CUBIC))


def resize_labels(label_HW: LabelArray, shape_HW: tuple[int, int]) -> LabelArray:
    """(H, W) instances -> ``shape_HW``; no new values appear, very small particles may vanish on reduction."""
    import cv2

    label_HW = np.ascontiguousarray(label_HW, dtype=np.int32)
    resized = cv2.resize(label_HW, shape_HW[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
    return np.asarray(resized, dtype=np.int32)

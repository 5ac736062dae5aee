"""From a camera's counts to float32 in [0, 1]: the background levelled, the noise alike in dark and bright parts."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from emgen.data import resize_to
from emgen.stages import FloatArray
from emgen_modalities.normalise import normalise as stretch

BLOCKS = 16
"""Blocks along the longer side; the background is looked for in each."""
CLUMP = 7
"""Nuclei and clumps are no larger than so many blocks; what is bright and larger counts as background."""
DARK = 0.1
"""Quantile of a block that stands for its background, if any of it is background."""
NOISE = 3.0
"""The root is taken of the intensity plus so many standard deviations of the background's noise."""


def normalise(image_HW: NDArray[Any]) -> FloatArray:
    """(H, W) of any real type -> (H, W) float32 in [0, 1], nuclei bright as before.

    Hot pixels are replaced and intensities stretched as in emgen's own modalities. The uneven background is subtracted,
    then the square root makes photon noise of about one strength everywhere (Anscombe 1948) and brings faint nuclei
    nearer to bright ones.
    """
    unit_HW = stretch(image_HW)
    level_HW = unit_HW - background(unit_HW)
    dark_HW = level_HW[level_HW <= np.median(level_HW)]
    noise = 1.4826 * float(np.median(np.abs(dark_HW - np.median(dark_HW))))
    return stretch(np.sqrt(np.maximum(level_HW + NOISE * noise, 0)))


def background(image_HW: FloatArray) -> FloatArray:
    """(H, W) the light between the nuclei: dark quantiles of blocks, no brighter than their neighbourhood's, smooth."""
    step = max(4, -(-max(image_HW.shape) // BLOCKS))
    height, width = (-(-side // step) for side in image_HW.shape)
    padded = np.pad(
        image_HW, [(0, n * step - side) for n, side in zip((height, width), image_HW.shape, strict=True)], "edge"
    )
    blocks_hw = np.quantile(padded.reshape(height, step, width, step), DARK, axis=(1, 3))
    # A block within a nucleus or a clump has no background of its own; the darkest around it has.
    opened_hw = ndimage.grey_opening(blocks_hw, size=(CLUMP, CLUMP), mode="nearest")
    smooth_hw = ndimage.gaussian_filter(opened_hw, 1.0, mode="nearest").astype(np.float32)
    return resize_to(smooth_hw, (height * step, width * step))[: image_HW.shape[0], : image_HW.shape[1]]

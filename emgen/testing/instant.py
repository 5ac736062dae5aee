"""A model that answers at once, for tests of what stands around a model: a threshold and connected components.

``Settings(opener="emgen.testing.instant:open_model")`` makes the copilot answer with it. No torch, no weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emgen.model import Model, Segmentation
from emgen.stages import FloatArray

if TYPE_CHECKING:
    from emgen.copilot.answering import Setup
    from emgen.host import Host

INFO: dict[str, Any] = {
    "task": "instant",
    "config": {},
    "modality": "haadf-stem",
    "polarity": "bright",
    "working_diameter": 32.0,
    "simulated": False,
}
_LEAST_AREA = 12
_LOOKED_AT = 256


class Instant(Model):
    """Bright particles; 64² in well below a millisecond, 2048² in some tens."""

    def __init__(self) -> None:
        super().__init__(self, dict(INFO))

    def predict(self, image_NHW: Any) -> FloatArray:
        """(N, H, W) in [0, 1] -> 1 above the threshold of each image, else 0."""
        return np.stack([(image_HW > _threshold(image_HW)).astype(np.float32) for image_HW in image_NHW])

    def segment(self, image_HW: FloatArray, factors: tuple[float, ...] | None = None) -> Segmentation:
        """At the image's own scale, whatever ``factors`` says."""
        import cv2

        smooth_HW = cv2.blur(np.asarray(image_HW, np.float32), (3, 3))
        mask_HW = (smooth_HW > _threshold(smooth_HW)).astype(np.uint8)
        _, label_HW, stats, _ = cv2.connectedComponentsWithStats(mask_HW, connectivity=4)
        kept = stats[:, cv2.CC_STAT_AREA] >= _LEAST_AREA
        kept[0] = False
        renumbered_HW = np.where(kept, np.cumsum(kept), 0).astype(np.int32)[label_HW]
        return Segmentation(label_HW=renumbered_HW, probability_HW=mask_HW.astype(np.float32), factor=1.0)


def _threshold(image_HW: NDArray[Any]) -> float:
    """Otsu's, of a coarse look at the image (``emgen.testing.fake_stages``)."""
    from emgen.testing.fake_stages import otsu

    step = max(1, min(image_HW.shape) // _LOOKED_AT)
    return otsu(image_HW[::step, ::step])


def open_model(setup: Setup) -> tuple[Model, Host, str]:
    """Model, host, digest. ``setup.model`` is a word that the digest is made of: another word is another model."""
    import hashlib

    from emgen.host import load_host

    return Instant(), load_host(), hashlib.sha256(setup.model.encode()).hexdigest()

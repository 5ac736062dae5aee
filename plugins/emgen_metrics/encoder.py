"""Features of the encoder that the package ships with its segmentation model."""

from __future__ import annotations

from functools import cache
from typing import Any

from numpy.typing import NDArray

from emgen.stages import Stack


class ShippedEncoder:
    @property
    def name(self) -> str:
        return _name()

    def extract(self, image_NHW: Stack, device: str) -> NDArray[Any]:
        """(N, H, W) in [0, 1] -> (N, D). Raises ``ModelError`` where no weights are shipped."""
        from emgen_npssegnet.features import encoder_features

        return encoder_features(image_NHW, device)


@cache
def _name() -> str:
    from emgen.model import LARGE, model_digest, model_folder, read_info

    origin = "trained on simulated micrographs" if read_info(LARGE).get("simulated") else "trained on real micrographs"
    return f"npssegnet-encoder {model_digest(model_folder(LARGE))[:12]} ({origin})"

"""A micrograph on its way through a model, the same wherever one is used: read and normalised, later measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emgen.data import Micrograph, NormalisedMicrograph
from emgen.data.stack import normalise_micrograph, read_frame
from emgen.particles import measure
from emgen.stages import FloatArray, LabelArray

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True, slots=True)
class Frame:
    """``raw``: as its file holds it. ``seen``: as the model gets it, with the pixel size that counts."""

    raw: Micrograph
    seen: NormalisedMicrograph

    @classmethod
    def read(
        cls,
        stack: Sequence[Micrograph],
        number: int,
        *,
        name: str,
        path: Path,
        normalise: Callable[[NDArray[Any]], FloatArray],
        pixel_size_nm: float | None = None,
    ) -> Frame:
        """The ``number``-th of an open file; ``pixel_size_nm`` goes over the file's. Raises ``DataError``.

        Its digest is left out: nothing is looked up by it, and it would cost another reading of the file.
        """
        raw = read_frame(stack, number, path)
        return cls(raw, normalise_micrograph(raw, normalise, name, path, "", pixel_size_nm))

    def measured(self, label_HW: LabelArray) -> pandas.DataFrame:
        """A row a particle (``emgen.particles.measure``); intensities are the file's own, not the normalised ones."""
        image_HW = self.raw.image_HW.astype(np.float32)
        return measure(label_HW, image_HW, self.seen.pixel_size_nm, self.seen.name)

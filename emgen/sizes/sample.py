"""What a size distribution is made from: whole particles, the micrographs they lie in, and how large these are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from emgen.errors import DataError

if TYPE_CHECKING:
    import pandas

Array = NDArray[np.float64]
Unit = Literal["nm", "px"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeSample:
    """K whole particles (none that an edge cuts) of J micrographs. Lengths in ``unit``.

    Attributes
    ----------
    diameter_K: equivalent diameters. box_K2: height and width of the upright boxes around them.
    micrograph_K: 0 … J - 1. field_J2: height and width of each micrograph.
    scale_J: px of a model's working scale per ``unit``, where a model found the particles; NaN elsewhere.
    unit: ``nm``, or ``px`` where no pixel size is known.
    cut: how many particles an edge cuts; they are not among the K.
    notes: what was left out, one sentence each.
    """

    diameter_K: Array
    box_K2: Array
    micrograph_K: NDArray[np.int64]
    field_J2: Array
    scale_J: Array
    unit: Unit
    cut: int = 0
    notes: tuple[str, ...] = ()

    @property
    def micrographs(self) -> int:
        return len(self.field_J2)

    @property
    def area(self) -> float:
        """Of all micrographs, in ``unit``²."""
        return float(self.field_J2.prod(axis=1).sum())


def sample_from_table(
    table: pandas.DataFrame,
    shapes: Mapping[str, tuple[int, int]],
    pixel_sizes_nm: Mapping[str, float | None],
    factors: Mapping[str, float] | None = None,
) -> SizeSample:
    """From a table of ``emgen.particles.measure`` over several micrographs.

    Parameters
    ----------
    shapes: (H, W) of every micrograph by its name in ``image``, those without a particle too.
    pixel_sizes_nm: by name; ``None``: unknown. Where some are known and some not, the latter are left out.
    factors: working scale over the micrograph's own, by name, where a model found the particles.

    Raises ``DataError`` for an image in the table whose shape is not given.
    """
    strange = set(table["image"].unique()) - set(shapes)
    if strange:
        raise DataError(f"image: {sorted(strange)[0]!r} stands in the particle table, but its size is not known.")
    known = [name for name in shapes if pixel_sizes_nm.get(name) is not None]
    unit: Unit = "nm" if known else "px"
    names = known or list(shapes)
    left_out = len(shapes) - len(names)
    notes = [f"{left_out} of {len(shapes)} micrographs without a pixel size are left out"] if left_out else []
    here = table[table["image"].isin(names)]
    whole = here[~here["border"].astype(bool)]
    size_J = np.array([pixel_sizes_nm.get(name) or 1.0 for name in names], float)
    position = {name: j for j, name in enumerate(names)}
    micrograph_K = np.array([position[name] for name in whole["image"]], np.int64)
    size_K = size_J[micrograph_K]
    return SizeSample(
        diameter_K=whole["equivalent_diameter_px"].to_numpy(float) * size_K,
        box_K2=whole[["bounding_height_px", "bounding_width_px"]].to_numpy(float) * size_K[:, None],
        micrograph_K=micrograph_K,
        field_J2=np.array([shapes[name] for name in names], float).reshape(-1, 2) * size_J[:, None],
        scale_J=_scales(names, factors or {}) / size_J,
        unit=unit,
        cut=len(here) - len(whole),
        notes=tuple(notes),
    )


def _scales(names: Sequence[str], factors: Mapping[str, float]) -> Array:
    return np.array([factors.get(name, float("nan")) for name in names], float)

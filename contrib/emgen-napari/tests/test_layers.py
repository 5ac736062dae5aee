"""Pixel sizes: nanometres of emgen, scales and units of napari."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from emgen_napari.layers import calibration, features_of, pixel_size_nm
from napari.layers import Image, Labels

from emgen.errors import DataError

PICTURE = np.zeros((8, 9), np.uint8)


@pytest.mark.parametrize(
    ("scale", "units", "wanted"),
    [
        ((0.5, 0.5), "nm", 0.5),
        ((0.325, 0.325), "µm", 325.0),
        ((2.0, 2.0), "angstrom", 0.2),
        ((1.0, 1.0), "pixel", None),
        ((4.0, 4.0), "s", None),
    ],
)
def test_the_pixel_size_is_the_layers_scale_where_its_units_are_lengths(
    scale: tuple[float, float], units: str, wanted: float | None
) -> None:
    found = pixel_size_nm(Image(PICTURE, scale=scale, units=units))
    assert found == (None if wanted is None else pytest.approx(wanted))


def test_the_pixel_size_of_a_series_is_that_of_its_pictures() -> None:
    layer = Image(np.zeros((3, 8, 9)), scale=(1, 0.4, 0.4), units=("s", "nm", "nm"))
    assert pixel_size_nm(layer) == pytest.approx(0.4)


@pytest.mark.parametrize("scale", [(0.5, 0.6), (1, 5)])
def test_pixels_that_are_not_square_are_refused_by_the_name_of_the_layer(scale: tuple[float, float]) -> None:
    with pytest.raises(DataError, match="stretched"):
        pixel_size_nm(Image(PICTURE, scale=scale, units="nm", name="stretched"))


@pytest.mark.parametrize("size", [0.5, None])
def test_what_emgen_knows_of_a_pixel_comes_back_from_the_layer(size: float | None) -> None:
    for picture in (PICTURE, np.zeros((3, 8, 9))):
        assert pixel_size_nm(Image(picture, **calibration(size, picture.ndim))) == size


def test_rows_of_a_particle_table_are_found_by_label() -> None:
    table = pd.DataFrame({"image": "a", "label": [7, 3], "equivalent_diameter_nm": [5.0, 9.0]})
    label_HW = np.zeros((8, 9), np.int32)
    label_HW[2, 2], label_HW[5, 5] = 7, 3
    layer = Labels(label_HW, features=features_of(table))
    assert any("equivalent_diameter_nm: 9" in str(part) for part in layer._get_properties((5, 5)))

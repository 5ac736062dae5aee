"""One micrograph on its way through a model: what the model sees of it, what is measured of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from emgen.data import Micrograph
from emgen.errors import BadImageError
from emgen.frame import Frame

LABEL_HW = np.zeros((32, 40), np.int32)
LABEL_HW[8:16, 8:16], LABEL_HW[20:26, 24:30] = 1, 2


def thousandth(image_HW: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return (image_HW / 1000).astype(np.float32)


def read(value: float = 900.0, file_size_nm: float | None = 0.5, given_nm: float | None = None) -> Frame:
    image_HW = np.where(LABEL_HW > 0, value, 100.0)
    stack = [Micrograph(image_HW, file_size_nm, metadata={"notes": ("cropped",)})]
    return Frame.read(stack, 0, name="a", path=Path("a.tif"), normalise=thousandth, pixel_size_nm=given_nm)


def test_the_model_sees_it_normalised_and_it_is_measured_in_the_values_of_its_file() -> None:
    frame = read()
    assert frame.seen.image_HW.max() == pytest.approx(0.9)
    assert frame.seen.notes == ("cropped",)
    table = frame.measured(LABEL_HW)
    assert table["mean_intensity"].tolist() == [900.0, 900.0]
    assert table["contrast"].tolist() == [800.0, 800.0]
    assert table["image"].tolist() == ["a", "a"]


@pytest.mark.parametrize(("given_nm", "counts_nm"), [(None, 0.5), (2.0, 2.0)])
def test_a_pixel_size_that_is_given_goes_over_that_of_the_file(given_nm: float | None, counts_nm: float) -> None:
    frame = read(given_nm=given_nm)
    assert frame.seen.pixel_size_nm == counts_nm
    assert frame.measured(LABEL_HW)["area_nm2"].tolist() == [64 * counts_nm**2, 36 * counts_nm**2]


def test_without_a_pixel_size_it_is_measured_in_pixels_alone() -> None:
    assert not [name for name in read(file_size_nm=None).measured(LABEL_HW) if name.endswith("nm")]


def test_what_overflows_is_refused_by_name() -> None:
    with pytest.raises(BadImageError, match=r"a\.tif"):
        read(value=1e300)

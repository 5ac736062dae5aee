"""Segmenting a layer: labels of its shape, sizes in its units, errors in words. With the weights that emgen ships."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from emgen_napari.segmenting import Segmented, segment_planes
from napari.layers import Image

from emgen.errors import BadImageError, ModelError


def segmented(layer: Any, ref: str = "pretrained") -> tuple[list[Any], Segmented]:
    """Progress, and the result."""
    *progress, result = segment_planes(layer, ref)
    assert isinstance(result, Segmented)
    return progress, result


@pytest.fixture(scope="module")
def picture(images: Path) -> np.ndarray:
    return tifffile.imread(images / "phantom_0.tif")


def test_a_picture_becomes_labels_with_sizes_in_nanometres(picture: np.ndarray) -> None:
    progress, result = segmented(Image(picture, scale=(0.5, 0.5), units="nm", name="a"))
    assert progress == [(1, 1)]
    assert result.labels.shape == picture.shape
    assert result.features["index"].tolist() == list(range(1, result.labels.max() + 1))
    assert result.features["equivalent_diameter_nm"].to_numpy() == pytest.approx(
        0.5 * result.features["equivalent_diameter_px"].to_numpy()
    )
    assert result.in_words().endswith(" nm")


def test_without_a_length_sizes_are_in_pixels_alone(picture: np.ndarray) -> None:
    _, result = segmented(Image(picture))
    assert result.pixel_size_nm is None
    assert not [column for column in result.features if column.endswith("_nm")]
    assert result.in_words().endswith(" px")


def test_particles_of_a_series_have_numbers_of_their_own(picture: np.ndarray) -> None:
    progress, result = segmented(Image(np.stack([picture, picture[::-1]])))
    assert progress == [(1, 2), (2, 2)]
    assert result.labels.shape == (2, *picture.shape)
    first, second = (set(np.unique(label_HW)) - {0} for label_HW in result.labels)
    assert first
    assert second
    assert not first & second
    assert set(result.features["index"]) == first | second
    assert set(result.features["frame"]) == {0, 1}


def test_a_model_that_is_none_is_refused_in_words(picture: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no model there"):
        segmented(Image(picture), str(tmp_path))


def test_colour_four_axes_and_empty_pictures_are_refused_by_the_name_of_the_layer() -> None:
    colour = Image(np.zeros((8, 8, 3), np.uint8), rgb=True, name="colour")
    many = Image(np.zeros((2, 2, 8, 8)), name="many")
    blank = Image(np.full((64, 64), 3, np.uint8), name="blank")
    for layer in (colour, many, blank):
        with pytest.raises(BadImageError, match=layer.name):
            segmented(layer)

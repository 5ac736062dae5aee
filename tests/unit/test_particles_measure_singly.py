"""All particles measured at once give what scikit-image and plain loops give of each one by itself."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage as ndi
from scipy.spatial import ConvexHull, KDTree
from scipy.spatial.distance import pdist
from skimage.measure import regionprops

from emgen.particles import measure
from emgen.particles.geometry import hull_of
from emgen.particles.measure import RING_PX


def hull_widths(mask: np.ndarray) -> tuple[float, float, float]:
    """Largest and least width and area of the hull around the middles of all pixels' edges."""
    ys, xs = np.nonzero(mask)
    points = np.concatenate([np.c_[ys + dy, xs + dx] for dy, dx in ((0.5, 0), (-0.5, 0), (0, 0.5), (0, -0.5))])
    hull = ConvexHull(points)
    corners = points[hull.vertices]
    return pdist(corners).max(), np.ptp(hull.equations[:, :2] @ corners.T, axis=1).min(), hull.volume


def intensities(label: np.ndarray, image: np.ndarray, number: int) -> tuple[float, float]:
    near = ndi.binary_dilation(label == number)
    ring = ndi.binary_dilation(near, iterations=RING_PX) & ~near & (label == 0)
    mean = image[label == number].mean()
    return mean, mean - image[ring].mean() if ring.any() else np.nan


def one_by_one(label: np.ndarray, image: np.ndarray) -> pd.DataFrame:
    regions = regionprops(label)
    centroids = np.array([region.centroid for region in regions])
    single = len(regions) < 2
    rows = []
    for region in regions:
        widest, narrowest, area = hull_widths(region.image)
        mean, contrast = intensities(label, image, region.label)
        perimeter = region.perimeter_crofton
        (top, left, bottom, right), (height, width) = region.bbox, label.shape
        rows.append(
            {
                "label": region.label,
                "centroid_y_px": region.centroid[0],
                "centroid_x_px": region.centroid[1],
                "area_px": region.area,
                "equivalent_diameter_px": region.equivalent_diameter_area,
                "feret_max_px": widest,
                "feret_min_px": narrowest,
                "perimeter_px": perimeter,
                "major_axis_px": region.axis_major_length,
                "minor_axis_px": region.axis_minor_length,
                "bounding_height_px": bottom - top,
                "bounding_width_px": right - left,
                "nearest_neighbour_px": np.nan if single else KDTree(centroids).query(region.centroid, 2)[0][1],
                "circularity": min(4 * np.pi * region.area / perimeter**2, 1),
                "eccentricity": region.eccentricity,
                "solidity": min(region.area / area, 1),
                "orientation_deg": np.degrees(region.orientation) + 90,
                "border": top == 0 or left == 0 or bottom == height or right == width,
                "mean_intensity": mean,
                "contrast": contrast,
            }
        )
    return pd.DataFrame(rows)


def blobs(seed: int, smoothing: float = 1.5, share: float = 0.6) -> np.ndarray:
    noise = ndi.gaussian_filter(np.random.default_rng(seed).normal(size=(70, 90)), smoothing)
    return ndi.label(noise > np.quantile(noise, 1 - share))[0].astype(np.int32)


def scattered() -> np.ndarray:
    """Particles in many pieces, which lie between each other."""
    rng = np.random.default_rng(1)
    return (rng.integers(0, 6, (40, 50)) * (rng.random((40, 50)) < 0.3)).astype(np.int32)


def lines_and_dots() -> np.ndarray:
    label = np.zeros((30, 40), np.int32)
    label[2, 3:20], label[5:25, 2], label[29, 39], label[0, 0] = 1, 2, 3, 9
    label[range(8, 20), range(8, 20)] = 4
    label[range(8, 20), range(30, 18, -1)] = 5
    label[12, 35:37], label[25:27, 20:22] = 6, 7
    return label


SCENES = {
    "compact": blobs(0, smoothing=3, share=0.3),
    "ragged": blobs(1, smoothing=1),
    "with holes": blobs(2, smoothing=1, share=0.7),
    "gaps in the numbers": 3 * blobs(3, smoothing=2, share=0.4),
    "touching": np.kron(np.arange(1, 36).reshape(5, 7), np.ones((6, 9), int)).astype(np.int32),
    "scattered": scattered(),
    "lines and dots": lines_and_dots(),
    "one pixel alone": np.eye(1, dtype=np.int32),
    "nothing but particle": np.ones((5, 8), np.int32),
}


@pytest.mark.parametrize("scene", SCENES)
def test_measured_together_is_as_measured_singly(scene: str) -> None:
    label = SCENES[scene]
    image = np.random.default_rng(0).uniform(0, 1, label.shape)
    singly, together = one_by_one(label, image), measure(label, image)
    columns = [column for column in singly if column != "orientation_deg"]
    assert set(together) == {*singly, "image"}
    # Of a line the minor axis is rounding, and 0 after a root is no better than 1e-8.
    together["minor_axis_px"] = together["minor_axis_px"].where(together["minor_axis_px"] > 1e-6, 0)
    singly["minor_axis_px"] = singly["minor_axis_px"].where(singly["minor_axis_px"] > 1e-6, 0)
    pd.testing.assert_frame_equal(
        together[columns], singly[columns], check_dtype=False, rtol=1e-9, atol=1e-12, check_exact=False
    )
    long = (singly["eccentricity"] > 1e-3).to_numpy()  # a round particle has no direction
    turned = np.radians(2 * (together["orientation_deg"] - singly["orientation_deg"]).to_numpy())
    assert np.allclose(np.cos(turned[long]), 1, rtol=0, atol=1e-12)


@pytest.mark.parametrize("scene", SCENES)
def test_the_hull_of_a_mask_is_that_of_quickhull(scene: str) -> None:
    for region in regionprops(SCENES[scene]):
        assert np.allclose(hull_of(region.image), hull_widths(region.image), rtol=1e-12)


def test_a_pixel_that_is_no_number_spoils_only_its_own_particle() -> None:
    label = np.zeros((20, 40), np.int32)
    label[5:10, 3:8], label[5:10, 25:30] = 1, 2
    image = np.where(label > 0, 0.5, 0.25)
    image[7, 5] = np.nan
    table = measure(label, image)
    assert table["mean_intensity"].isna().tolist() == [True, False]
    assert table["contrast"].tolist()[1] == pytest.approx(0.25)

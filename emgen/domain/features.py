"""The numbers by which a crop is described, with the words in which a microscopist would speak of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emgen.domain.crops import Segmented, Segmenter, draw_crops
from emgen.domain.found import amounts, certainty, contrasts, seen_inverted
from emgen.domain.grey import blobs, levels, noise, spectrum, streaks
from emgen.stages import FloatArray


@dataclass(frozen=True, slots=True)
class Feature:
    """One number of a crop.

    Attributes
    ----------
    name: its key in a stored reference. what: it is said to be ... ``more`` or ``less`` than in the training.
    floor: standard deviation that it has at least. Where all of a stack agree better than this, it is by chance, or
        because they were taken with the same settings, and a difference of this size is none.
    """

    name: str
    what: str
    more: str
    less: str
    floor: float


FEATURES = (
    Feature("dark_level", "the darkest parts are", "brighter", "darker", 0.02),
    Feature("lower_level", "the darker parts are", "brighter", "darker", 0.02),
    Feature("middle_level", "the picture is", "brighter", "darker", 0.02),
    Feature("upper_level", "the brighter parts are", "brighter", "darker", 0.02),
    Feature("bright_level", "the brightest parts are", "brighter", "darker", 0.02),
    Feature("spread", "grey values are spread", "wider", "narrower", 0.1),
    Feature("skewness", "bright details on dark ground, against dark on bright, are", "more", "fewer", 0.2),
    Feature("noise", "noise at the model's scale is", "stronger", "weaker", 0.1),
    Feature("grain", "noise of single pixels is", "stronger", "weaker", 0.1),
    Feature("streaks", "differences between scan lines are", "stronger", "weaker", 0.05),
    Feature("power_1", "brightness over large areas varies", "more", "less", 0.3),
    Feature("power_2", "brightness over areas as large as several particles varies", "more", "less", 0.3),
    Feature("power_3", "structure somewhat larger than particles is", "stronger", "weaker", 0.25),
    Feature("power_4", "structure as large as particles is", "stronger", "weaker", 0.2),
    Feature("power_5", "structure as large as half a particle is", "stronger", "weaker", 0.2),
    Feature("power_6", "structure as fine as the edges of particles is", "stronger", "weaker", 0.2),
    Feature("power_7", "fine structure of few pixels is", "stronger", "weaker", 0.2),
    Feature("power_8", "the finest structure is", "stronger", "weaker", 0.2),
    Feature("blobs", "details as large as particles, bright against dark ones, are", "more", "fewer", 0.1),
    Feature("coarse_blobs", "details larger than particles, bright against dark ones, are", "more", "fewer", 0.1),
    Feature("contrast", "particles against their surroundings are", "brighter", "darker", 0.02),
    Feature("visibility", "the contrast of particles over the noise is", "higher", "lower", 0.1),
    Feature("surroundings", "what is around particles is", "brighter", "darker", 0.02),
    Feature("sharpness", "edges of particles are", "sharper", "more blurred", 0.05),
    Feature("unsure", "where there may be particles, the model is", "less sure", "surer", 0.03),
    Feature("entropy", "over the whole picture, the model is", "less sure", "surer", 0.03),
    Feature("sure", "the area that surely is particles is", "larger", "smaller", 0.03),
    Feature(
        "inverted", "with bright and dark exchanged, the area that surely is particles is", "larger", "smaller", 0.03
    ),
    Feature("coverage", "the area covered by particles is", "larger", "smaller", 0.03),
    Feature("number", "particles found are", "more", "fewer", 0.3),
    Feature("diameter", "particles at the model's scale are", "larger", "smaller", 0.08),
    Feature("size_spread", "sizes of particles differ", "more", "less", 0.1),
    Feature("magnification", "particles in pixels of the micrograph are", "smaller", "larger", 0.15),
)
"""F features, in the order of the columns of ``features_CF``."""
NAMES = tuple(feature.name for feature in FEATURES)


def describe(image_HW: FloatArray, segmentation: Segmented, model: Segmenter, seed: int) -> NDArray[np.float64]:
    """Describes a segmented micrograph by a few crops at the working scale.

    Parameters
    ----------
    image_HW: float32 in [0, 1], of any size, as the modality normalises it. segmentation: of it, by ``model``.
    seed: which crops are looked at where not all are.

    Returns features_CF, (1 ... 12, F) with F = ``len(FEATURES)``. NaN: what a crop without particles can't tell.
    """
    working_diameter = model.working_diameter
    crops = draw_crops(np.asarray(image_HW, np.float32), segmentation, seed)
    noise_C = np.array([noise(image_HW) for image_HW in crops.image_CHW])
    grain_C = np.array([noise(native_HW) for native_HW in crops.native])
    columns = [
        levels(crops.image_CHW),
        np.column_stack([noise_C, grain_C, [streaks(native_HW) for native_HW in crops.native]]),
        spectrum(crops.image_CHW),
        blobs(crops.image_CHW, (working_diameter, 2 * working_diameter)),
        contrasts(crops.image_CHW, crops.label_CHW, noise_C),
        certainty(crops.probability_CHW),
        seen_inverted(crops.image_CHW, crops.probability_CHW, model.task),
        amounts(crops.label_CHW, crops.own, working_diameter),
        np.full((len(noise_C), 1), np.log(segmentation.factor)),
    ]
    return np.hstack(columns).astype(float)

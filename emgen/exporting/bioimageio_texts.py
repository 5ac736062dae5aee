"""Words and the picture of a bioimage.io package."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from emgen.stages import FloatArray

_NAME_ALLOWED = "_+- ()"
_OUTLINE = (255, 176, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """``name`` of the model, its ``author``, and its ``licence`` (an SPDX identifier, ``None``: not said)."""

    name: str
    author: str
    licence: str | None


def title(name: str, info: dict[str, Any]) -> str:
    """Of letters, digits and ``_+- ()``, at most 64 characters, as bioimage.io wants it."""
    text = f"Nanoparticles in {info['modality']} ({name})"
    return "".join(
        letter if letter.isascii() and (letter.isalnum() or letter in _NAME_ALLOWED) else "-" for letter in text
    )[:64]


def one_line(info: dict[str, Any]) -> str:
    return (
        f"Segments {info['polarity']} particles about {info['working_diameter']:g} px across in {info['modality']} "
        "micrographs; trained without hand labels, on virtual micrographs."
    )


def readme(name: str, info: dict[str, Any], percentiles: tuple[float, float] | None) -> str:
    """The package's documentation, Markdown."""
    simulated = (
        "Simulated micrographs had a part in the weights."
        if info.get("simulated")
        else "No simulated micrograph had a part in the weights."
    )
    return f"""# {title(name, info)}

{one_line(info)}
Written by emgen {info["exported"]["emgen"]} from a model of the task `{info["task"]}`.

## Input

One micrograph, float32, axes batch, channel (1), y, x. Sides of any length are taken.

- **Size.** The network knows particles about {info["working_diameter"]:g} px across. Resize a micrograph until its
  particles are of that size, and resize the result back. `emgen segment` does so by itself; other programs do not.
- **Intensity.** {_intensity(info, percentiles)}

## Output

The probability of a particle, float32 in [0, 1]. Particles are where it is above 0.5; touching ones
must still be split.
{_smallest(info)}
## Training

{simulated} Settings and provenance are in `rdf.yaml` under `config.emgen`.
The method is that of the paper cited there, in which a tandem of two GANs makes virtual micrographs with exact labels
of unlabelled ones.

## Validation

The sample in the package is a phantom micrograph: it shows that the network computes what it should, not that it is
right about yours. Label a few of your micrographs by hand and compare, by intersection over union of the masks and by
the share of particles found; `emgen evaluate` does both.

## In emgen

`emgen segment model.onnx IMAGES --out FOLDER`, with the file from this package.
"""


def cover(path: Path, unit_HW: FloatArray, probability_HW: FloatArray) -> None:
    """A picture twice as wide as high: the sample, and the sample with the outlines that the model finds."""
    from PIL import Image
    from skimage.segmentation import find_boundaries

    grey_HW3 = np.repeat(np.round(255 * unit_HW).astype(np.uint8)[..., None], 3, axis=2)
    drawn_HW3 = grey_HW3.copy()
    drawn_HW3[find_boundaries(probability_HW > 0.5, mode="inner")] = _OUTLINE
    Image.fromarray(np.hstack([grey_HW3, drawn_HW3])).save(path)


def picture(path: Path, unit_HW: FloatArray) -> None:
    """Values in [0, 1] as an 8-bit PNG."""
    from PIL import Image

    Image.fromarray(np.round(255 * unit_HW).astype(np.uint8)).save(path)


def _intensity(info: dict[str, Any], percentiles: tuple[float, float] | None) -> str:
    if percentiles is None:
        return f"In [0, 1], normalised as emgen's modality `{info['modality']}` does; the package does not do it."
    low, high = percentiles
    return (
        f"Of any range: percentiles {low:g} and {high:g} become 0 and 1 in the package. Single hot pixels should be "
        "removed before."
    )


def _smallest(info: dict[str, Any]) -> str:
    smallest = info.get("smallest_diameter")
    return f"What is smaller across than {smallest:.3g} px is no particle that the model knows.\n" if smallest else ""

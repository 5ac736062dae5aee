"""A layer's pixels through a model of emgen: labels and the particle table. No Qt here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from emgen.errors import BadImageError
from emgen.model import SHIPPED, Model, load_model
from emgen_napari.layers import features_of, pixel_size_nm


@dataclass(frozen=True, slots=True)
class Segmented:
    """``labels`` as large as the layer, int32, every particle of a series with a number of its own; ``features`` by
    particle, for the Labels layer; ``pixel_size_nm`` or ``None``."""

    labels: np.ndarray
    features: Any
    pixel_size_nm: float | None

    def in_words(self) -> str:
        for unit in ("nm", "px"):
            if len(self.features) and (column := f"equivalent_diameter_{unit}") in self.features:
                return f"{len(self.features)} particles, median diameter {self.features[column].median():.3g} {unit}"
        return f"{len(self.features)} particles"


@lru_cache(maxsize=2)
def model_of(ref: str, device: str = "auto") -> Model:
    """A loaded model, kept for the next layer. Raises ``ModelError``."""
    return load_model(ref if ref in SHIPPED else Path(ref).expanduser(), device=device)


def planes_of(layer: Any) -> np.ndarray | Any:
    """(N, H, W) of an image layer: N is 1 for a picture. Raises ``BadImageError`` for colour and for more axes."""
    if getattr(layer, "rgb", False):
        raise BadImageError(f'The layer "{layer.name}" is in colour. Split its channels (Layers, Split RGB), take one.')
    data = layer.data[0] if layer.multiscale else layer.data
    if data.ndim not in (2, 3):
        raise BadImageError(
            f'The layer "{layer.name}" has {data.ndim} axes; a picture has two, a series three. Slice it first.'
        )
    return data[None] if data.ndim == 2 else data


def segment_planes(layer: Any, ref: str, device: str = "auto") -> Iterator[tuple[int, int] | Segmented]:
    """Yields (done, of) after each plane, and the result at the end. Raises ``EmgenError``s before the first."""
    from emgen.data.stack import modality_normalise
    from emgen.host import load_host
    from emgen.particles import measure

    planes_NHW, size = planes_of(layer), pixel_size_nm(layer)
    model = model_of(ref, device)
    normalise = modality_normalise(load_host(), model.modality)
    labels_NHW = np.zeros(planes_NHW.shape, np.int32)
    tables = []
    for number in range(len(planes_NHW)):
        image_HW = normalise(_checked(np.asarray(planes_NHW[number]), layer.name))
        label_HW = model.segment(image_HW).label_HW
        table = measure(label_HW, image_HW, size, layer.name)
        offset = max((int(one["label"].max()) for one in tables if len(one)), default=0)
        labels_NHW[number] = np.where(label_HW > 0, label_HW + offset, 0)
        tables.append(table.assign(label=table["label"] + offset, frame=number))
        yield number + 1, len(planes_NHW)
    yield Segmented(labels_NHW.reshape(_shape(layer)), _features(tables, series=len(planes_NHW) > 1), size)


def _checked(image_HW: np.ndarray, name: str) -> np.ndarray:
    from emgen.data.checks import check_image

    check_image(image_HW, Path(name))
    return image_HW


def _shape(layer: Any) -> tuple[int, ...]:
    return tuple((layer.data[0] if layer.multiscale else layer.data).shape)


def _features(tables: list[Any], *, series: bool) -> Any:
    import pandas as pd

    table = pd.concat([one for one in tables if len(one)] or tables[:1], ignore_index=True)
    return features_of(table if series else table.drop(columns="frame"))

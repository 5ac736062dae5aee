"""Improved precision and recall (Kynkäänniemi et al. 2019), density and coverage (Naeem et al. 2020)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from emgen.stages import MetricContext, Stack
from emgen_metrics.choice import as_published, extractor
from emgen_metrics.config import NeighbourConfig
from emgen_metrics.features import FeatureMetric
from emgen_metrics.same_size import at_same_size
from emgen_metrics.stacks import need_images
from emgen_metrics.units import units
from emgen_metrics.verdict import verdict

_SPLITS = 100
_LARGEST = 1500
"""Images a side that real against real is measured on."""

Distances = NDArray[np.float64]


class PrecisionRecall(FeatureMetric):
    def __init__(self, config: NeighbourConfig, context: object = None) -> None:
        super().__init__(extractor(config))
        self.config = config

    def compute(self, a: Stack, b: Stack, context: MetricContext) -> dict[str, float | str]:
        """a generated, b real, (N, H, W) and (M, H, W) in [0, 1].

        Precision: share of generated images within the surroundings of a real one. Recall: share of real images within
        those of a generated one. 0 … 1, and both hang on how many images there are: two halves of the real set do not
        reach 1 either, which is what ``image_f1_floor`` says.
        """
        k = self.config.neighbours
        need_images("precision-recall", k + 1, generated=a, real=b)
        x_ND, y_MD = as_published(self.config, *(self.features(stack, context) for stack in (a, b)))
        result: dict[str, float | str] = dict(shares(cdist(x_ND, x_ND), cdist(x_ND, y_MD), cdist(y_MD, y_MD), k))
        return {**result, **self._worth(x_ND, y_MD, context), "features": self.extractor.name}

    def _worth(
        self, x_ND: NDArray[np.float64], y_MD: NDArray[np.float64], context: MetricContext
    ) -> dict[str, float | str]:
        """What real images reach against real ones, at the same number."""
        rng = np.random.default_rng([context.seed, 3])
        rows = [np.sort(rng.permutation(len(z))[:_LARGEST]) for z in (x_ND, y_MD)]
        found = units(None if context.groups is None else np.asarray(context.groups)[rows[1]], len(rows[1]))
        x_ND, y_MD = x_ND[rows[0]], y_MD[rows[1]]
        k, xx, xy, yy = self.config.neighbours, cdist(x_ND, x_ND), cdist(x_ND, y_MD), cdist(y_MD, y_MD)

        def generated(c: NDArray[np.intp], a: NDArray[np.intp]) -> float:
            return shares(xx[np.ix_(c, c)], xy[np.ix_(c, a)], yy[np.ix_(a, a)], k)["image_f1"]

        def real(b: NDArray[np.intp], a: NDArray[np.intp]) -> float:
            return shares(yy[np.ix_(b, b)], yy[np.ix_(b, a)], yy[np.ix_(a, a)], k)["image_f1"]

        same = at_same_size(
            len(x_ND), found, generated, real, better="higher", least=k + 1, splits=_SPLITS, seed=context.seed
        )
        if same is None:
            return {"verdict": "no verdict: too few real images"}
        return {
            "image_f1_same_size": same.generated,
            "image_f1_floor": same.floor,
            "verdict": verdict(same.alike, found),
        }


def shares(xx: Distances, xy: Distances, yy: Distances, k: int) -> dict[str, float]:
    """From distances between generated images (x), generated and real, and real ones (y); ``k`` < N, M."""
    reach_x, reach_y = (np.partition(square, k, axis=1)[:, k] for square in (xx, yy))  # the 0th nearest is itself
    inside_y = xy <= reach_y
    precision = float(inside_y.any(1).mean())
    recall = float((xy <= reach_x[:, None]).any(0).mean())
    both = precision + recall
    return {
        "image_f1": 2 * precision * recall / both if both else 0.0,
        "image_precision": precision,
        "image_recall": recall,
        "image_density": float(inside_y.sum(1).mean() / k),
        "image_coverage": float(inside_y.any(0).mean()),
    }

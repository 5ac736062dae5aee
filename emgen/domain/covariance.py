"""The covariance of many features from few micrographs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def shrunk_covariance(deviation_MF: Array) -> Array:
    """(F, F) covariance about 0 of M micrographs, drawn towards a multiple of the identity as far as chance makes it
    uncertain (O. Ledoit and M. Wolf, Journal of Multivariate Analysis 88 (2004) 365).

    >>> shrunk_covariance(np.array([[1.0, 0.0], [0.0, -1.0]])).tolist()
    [[0.5, 0.0], [0.0, 0.5]]
    """
    count, size = deviation_MF.shape
    mean_FF = deviation_MF.T @ deviation_MF / count
    target_FF = max(float(np.trace(mean_FF)) / size, 1e-6) * np.eye(size)
    # The mean squared distance of single products z z^T from their mean, over their number.
    uncertain = (((deviation_MF**2).sum(axis=1) ** 2).mean() - (mean_FF**2).sum()) / count
    distance = ((mean_FF - target_FF) ** 2).sum()
    share = min(1.0, uncertain / distance) if distance > 0 else 1.0
    # Never quite without: a feature that all agree on would else have no variance at all.
    share = max(share, 1e-3)
    shrunk_FF: Array = share * target_FF + (1 - share) * mean_FF
    return shrunk_FF

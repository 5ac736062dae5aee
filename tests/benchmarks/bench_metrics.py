"""FID, Inception score, KID and MMD from one pass of features, against the FID alone by torch-fidelity.

Randomly initialised Inception weights, written by the benchmark, serve for the time; scores from them mean nothing, so
both sides' FID must agree instead. ``EMGEN_BENCH_IMAGES``: images in all, half of them generated; by default 2,000,
which takes 5 minutes a pass on two cores.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from timing import Comparison, Work

IMAGES = int(os.environ.get("EMGEN_BENCH_IMAGES", "2000"))
SIDE = 128


def weights(path: Path) -> str:
    """A file in the layout of the published one; its SHA-256."""
    import torch_fidelity.feature_extractor_inceptionv3 as published

    kind = published.FeatureExtractorInceptionV3
    with (
        patch.object(published, "load_state_dict_from_url", lambda *_, **__: {}),
        patch.object(kind, "load_state_dict", lambda self, state: None),
    ):
        network = kind("random", ["2048"])
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):  # keeps the signal alive through the depth of the network
            torch.nn.init.kaiming_normal_(module.weight)
    torch.save(network.state_dict(), path)
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Grey(torch.utils.data.Dataset):
    """As torch-fidelity takes images: (3, H, W) uint8."""

    def __init__(self, image_NHW: np.ndarray) -> None:
        self.images = np.round(image_NHW * 255).astype(np.uint8)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.from_numpy(self.images[index])[None].expand(3, -1, -1)


def prepare(folder: Path) -> Work:
    from torch_fidelity import calculate_metrics

    from emgen.engine.features import FeatureMemo
    from emgen.host import load_host
    from emgen.stages import MetricContext

    path = folder / "weights.pth"
    digest = weights(path)
    rng = np.random.default_rng(0)
    real, generated = (rng.random((IMAGES // 2, SIDE, SIDE), np.float32) ** power for power in (1, 1.2))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    host = load_host()

    def rival() -> float:
        found = calculate_metrics(
            input1=Grey(generated),
            input2=Grey(real),
            fid=True,
            cuda=device == "cuda",
            cache=False,
            verbose=False,
            batch_size=16,
            feature_extractor_weights_path=str(path),
        )
        return float(found["frechet_inception_distance"])

    def ours() -> float:
        memo, scores = FeatureMemo(device), {}
        for name, more in (("fid", {}), ("inception-score", {}), ("kid", _INCEPTION), ("mmd", _INCEPTION)):
            registered = host.find("metric", name)
            config = registered.plugin.config(weights=path, sha256=digest, **more)
            metric = registered.create(config)
            scores |= metric.compute(generated, real, MetricContext(device=device, features=memo.of(metric)))
        return float(scores["fid"])

    return Work(rival=rival, ours=ours, agree=agree)


_INCEPTION = {"features": "inception"}


def agree(theirs: object, ours: object) -> str:
    assert isinstance(theirs, float)
    assert isinstance(ours, float)
    assert abs(ours / theirs - 1) < 1e-3, f"FID {theirs:.6g} and {ours:.6g}"
    return f"FID {theirs:.5g} and {ours:.5g}"


COMPARISONS = [
    Comparison(
        name=f"FID, IS, KID and MMD of {IMAGES} images",
        rival="torch-fidelity, FID alone",
        prepare=prepare,
        goal=1 / 1.1,
        repeats=1,
    )
]

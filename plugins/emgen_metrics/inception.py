"""Inception features through torch-fidelity, from weights whose SHA-256 is checked."""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3, FeatureExtractorInceptionV3

from emgen.errors import PreflightError
from emgen.stages import Stack
from emgen_metrics.config import InceptionConfig

NETWORK = "inception-v3-compat"
POOLED, LOGITS = "2048", "logits_unbiased"
"""The layers that FID and the Inception score are defined on."""
LAYERS = (POOLED, LOGITS)
_BATCH = 16
_SECONDS = 30.0


class Inception:
    """One layer of the network; a pass through it yields the others that metrics use as well."""

    def __init__(self, config: InceptionConfig, layer: str) -> None:
        self.config, self.layer = config, layer

    @property
    def name(self) -> str:
        return self._name(self.layer)

    def _name(self, layer: str) -> str:
        return f"{NETWORK} {layer} {self.config.sha256[:12]}"

    def extract(self, image_NHW: Stack, device: str) -> NDArray[np.float32]:
        """(N, H, W) in [0, 1] -> (N, D). The network resizes to 299² itself. Raises ``PreflightError``."""
        return self.extract_all(image_NHW, device)[self.name]

    def extract_all(self, image_NHW: Stack, device: str) -> dict[str, NDArray[np.float32]]:
        """The features of every layer in ``LAYERS``, and of this one, by name: FID and Inception score share a pass."""
        layers = LAYERS if self.layer in LAYERS else (*LAYERS, self.layer)
        network = _network(weights_file(self.config), layers, self.config.sha256).to(device)
        batches = []
        with torch.inference_mode():
            for start in range(0, len(image_NHW), _BATCH):
                batch = as_rgb(np.asarray(image_NHW[start : start + _BATCH])).to(device)
                batches.append([found.float().cpu().numpy() for found in network(batch)])
        rows = [np.concatenate(parts) for parts in zip(*batches, strict=True)]
        return {self._name(layer): row for layer, row in zip(layers, rows, strict=True)}


def as_rgb(image_NHW: NDArray[Any]) -> torch.Tensor:
    """(N, H, W) in [0, 1] -> (N, 3, H, W) uint8, rounded: what the published network takes."""
    grey = torch.from_numpy(np.round(np.clip(image_NHW, 0, 1) * 255).astype(np.uint8))
    return grey[:, None].expand(-1, 3, -1, -1)


def weights_file(config: InceptionConfig) -> Path:
    """The checked weights: the file that is set, torch-fidelity's download of before, or a new download.

    Raises ``PreflightError`` with the way out.
    """
    if config.weights is not None:
        return _checked(config.weights, config, "Set `weights` to the right file, or `sha256` to that of yours.")
    file = Path(torch.hub.get_dir()) / "checkpoints" / URL_INCEPTION_V3.rsplit("/", 1)[1]
    if not file.is_file():
        _fetch(file)
    return _checked(file, config, "Delete it; it is fetched anew.")


def _checked(file: Path, config: InceptionConfig, way_out: str) -> Path:
    try:
        with file.open("rb") as opened:
            found = hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise PreflightError(f"Inception weights {file} cannot be read ({error}). {_other_ways()}") from error
    if found != config.sha256:
        raise PreflightError(
            f"Inception weights {file} have SHA-256 {found}, not {config.sha256}: scores from them would not be FID. "
            f"{way_out}"
        )
    return file


def _fetch(file: Path) -> None:
    """Complete or not at all: torch.hub writes beside it and renames."""
    file.parent.mkdir(parents=True, exist_ok=True)
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_SECONDS)  # torch.hub sets none, and a firewall that drops packets would hang the run
    try:
        torch.hub.download_url_to_file(URL_INCEPTION_V3, str(file), progress=False)
    except Exception as error:  # urllib, ssl and OS errors, and torch's own
        raise PreflightError(f"Inception weights cannot be fetched ({error}). {_other_ways()}") from error
    finally:
        socket.setdefaulttimeout(before)


def _other_ways() -> str:
    return (
        f"Download {URL_INCEPTION_V3} on another machine and set the metric's `weights` to the file, "
        "or use the metrics fid-encoder and mmd, which need no download."
    )


@lru_cache(maxsize=2)
def _network(file: Path, layers: tuple[str, ...], sha256: str) -> FeatureExtractorInceptionV3:
    try:
        with _tensors_only():
            return FeatureExtractorInceptionV3(NETWORK, list(layers), feature_extractor_weights_path=str(file))
    except Exception as error:  # unpickling and torch raise many kinds
        raise PreflightError(f"{file}: these are not Inception weights ({error}). {_other_ways()}") from error


@contextmanager
def _tensors_only() -> Iterator[None]:
    """torch-fidelity loads its file as a full pickle; inside this block torch accepts tensors only."""
    variable = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
    before = os.environ.get(variable)
    os.environ[variable] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[variable]
        else:
            os.environ[variable] = before

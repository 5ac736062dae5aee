"""What the metrics need before hours are spent: weights that are there and are the right ones."""

from __future__ import annotations

from emgen.errors import ModelError, PreflightError
from emgen_metrics.config import FeaturesConfig, InceptionConfig, PixelConfig


def inception(config: InceptionConfig, device: str) -> None:
    """Checks the weights, fetching them where there are none. Raises ``PreflightError``."""
    from emgen_metrics.inception import weights_file

    weights_file(config)


def encoder(config: PixelConfig | FeaturesConfig, device: str) -> None:
    """Raises ``PreflightError`` where no shipped weights are installed."""
    from emgen.model import LARGE, read_info

    try:
        read_info(LARGE)
    except ModelError as error:
        raise PreflightError(
            f"the shipped encoder is not installed ({error}). Reinstall emgen, or use `mmd` with `features: classical`."
        ) from error


def features(config: FeaturesConfig, device: str) -> None:
    """As the features ask; the classical ones need nothing."""
    if config.features == "inception":
        inception(config, device)
    elif config.features == "encoder":
        encoder(config, device)

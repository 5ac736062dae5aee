"""What a preset changes outside the plugins. Each plugin brings its own part in ``StageConfig.presets``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from emgen.registration import MetricPlugin

if TYPE_CHECKING:
    from emgen.host import Host

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "quick": {
        "data": {"crop": 128, "scale": "per-micrograph", "crops_per_micrograph": 40},
        "virtual": {"images": 400},
        "checkpoints": {"candidates": 4, "patience": 2},
    },
    "paper": {
        "data": {"crop": 512, "scale": "native", "crops_per_micrograph": 16},
        "virtual": {"images": 1000},
        "checkpoints": {"candidates": 10, "patience": None},
    },
}
"""quick: two CPU cores, within the hour. paper: crops of 512 x 512 pixels of the micrographs as they are (Yuan et al.
2025); how many crops and virtual images there are is our choice."""

_WANTED: Mapping[str, Callable[[MetricPlugin], bool]] = {
    "quick": lambda metric: metric.downloads is None,
    "paper": lambda metric: True,
}


def preset_fields(preset: str, host: Host, *, simulated_weights: bool = True) -> dict[str, Any]:
    """The preset's fragment of a spec: its fields, and the installed metrics that a run without truth can compute.

    ``quick`` leaves out those that fetch a weight; without ``simulated_weights``, those that bring such weights are
    left out too. The core knows no metric by name.
    """
    metrics = [
        plugin.name
        for plugin in _metrics(host)
        if plugin.needs != "prediction"
        and _WANTED[preset](plugin)
        and (simulated_weights or plugin.simulated_weights is not True)
    ]
    return {**PRESETS[preset], "metrics": metrics}


def ranking_metrics(host: Host) -> list[str]:
    """The installed metrics that can rank the states of a training anywhere: of sets of images, with a main score,
    without weights to fetch or from simulated images."""
    return [
        plugin.name
        for plugin in _metrics(host)
        if plugin.needs == "generated-vs-real"
        and plugin.headline
        and plugin.downloads is None
        and plugin.simulated_weights is not True
    ]


def _metrics(host: Host) -> list[MetricPlugin]:
    plugins = (registered.plugin for registered in host.plugins("metric").values())
    return [plugin for plugin in plugins if isinstance(plugin, MetricPlugin)]

"""What plugin authors use to test their plugins: the conformance kit, instant fakes, phantom micrographs, fixtures.

Inherit a conformance class and name the plugin; pytest runs its checks::

    from emgen.testing import MaskSamplerConformance

    class TestMyMasks(MaskSamplerConformance):
        plugin = "my-masks"

The fixtures ``emgen_host`` and ``fake_distribution`` are there wherever emgen is installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emgen.testing.conformance import (
        ContrastGanConformance,
        DownstreamTaskConformance,
        MaskSamplerConformance,
        MetricConformance,
        ModalityConformance,
        MorphologyGanConformance,
        ObserverConformance,
        ReaderConformance,
        RoughSegmenterConformance,
    )

__all__ = [
    "ContrastGanConformance",
    "DownstreamTaskConformance",
    "MaskSamplerConformance",
    "MetricConformance",
    "ModalityConformance",
    "MorphologyGanConformance",
    "ObserverConformance",
    "ReaderConformance",
    "RoughSegmenterConformance",
]


def __getattr__(name: str) -> Any:
    """The classes, imported when asked for: pytest imports this package in every environment that holds emgen."""
    if name in __all__:
        from emgen.testing import conformance

        return getattr(conformance, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

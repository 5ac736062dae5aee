"""The contract as checks: one class per kind of plugin, to inherit in a test, or for ``emgen plugins check`` to run.

They need no pytest. Each says what it wants in its failure's text.
"""

from emgen.testing.conformance.observers import ObserverConformance
from emgen.testing.conformance.others import MetricConformance, ModalityConformance
from emgen.testing.conformance.readers import ReaderConformance
from emgen.testing.conformance.run import CONFORMANCE, CheckResult, checks_of, run_checks
from emgen.testing.conformance.trained import (
    ContrastGanConformance,
    DownstreamTaskConformance,
    MorphologyGanConformance,
)
from emgen.testing.conformance.untrained import MaskSamplerConformance, RoughSegmenterConformance

__all__ = [
    "CONFORMANCE",
    "CheckResult",
    "ContrastGanConformance",
    "DownstreamTaskConformance",
    "MaskSamplerConformance",
    "MetricConformance",
    "ModalityConformance",
    "MorphologyGanConformance",
    "ObserverConformance",
    "ReaderConformance",
    "RoughSegmenterConformance",
    "checks_of",
    "run_checks",
]

"""Run a conformance class without pytest, as ``emgen plugins check`` does."""

from __future__ import annotations

import inspect
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from unittest import SkipTest

from emgen.host import Observer, Registered
from emgen.host.records import cause
from emgen.registration import Kind
from emgen.testing.conformance.base import Conformance
from emgen.testing.conformance.observers import ObserverConformance
from emgen.testing.conformance.others import MetricConformance, ModalityConformance
from emgen.testing.conformance.readers import ReaderConformance
from emgen.testing.conformance.trained import (
    ContrastGanConformance,
    DownstreamTaskConformance,
    MorphologyGanConformance,
)
from emgen.testing.conformance.untrained import MaskSamplerConformance, RoughSegmenterConformance

CONFORMANCE: dict[Kind, type[Conformance]] = {
    "modality": ModalityConformance,
    "reader": ReaderConformance,
    "rough_segmenter": RoughSegmenterConformance,
    "mask_sampler": MaskSamplerConformance,
    "morphology_gan": MorphologyGanConformance,
    "contrast_gan": ContrastGanConformance,
    "downstream_task": DownstreamTaskConformance,
    "metric": MetricConformance,
}


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check; ``text`` is the cause of a failure or the reason of a skip."""

    name: str
    outcome: Literal["passed", "failed", "skipped"]
    text: str
    seconds: float


Checks = type[Conformance] | type[ObserverConformance]


def checks_of(registered: Registered | Observer) -> Checks:
    """The conformance class of a plugin, with its preset ``check`` (or ``quick``) as settings; that of an observer."""
    if isinstance(registered, Observer):
        return type("CheckObserver", (ObserverConformance,), {"plugin": registered})
    base = CONFORMANCE[registered.kind]
    return type(f"Check{base.__name__}", (base,), {"plugin": registered})


def run_checks(conformance: Checks) -> Iterator[CheckResult]:
    """Every ``test_*`` method as defined, each on a new instance; ``tmp_path`` is given if asked for."""
    names = {name: None for cls in reversed(conformance.__mro__) for name in vars(cls) if name.startswith("test_")}
    for name in names:
        started = time.perf_counter()
        outcome, text = _run(conformance, name)
        yield CheckResult(name, outcome, text, time.perf_counter() - started)


def _run(conformance: Checks, name: str) -> tuple[Literal["passed", "failed", "skipped"], str]:
    method = getattr(conformance(), name)
    try:
        with tempfile.TemporaryDirectory() as folder:
            given = {"tmp_path": Path(folder)}
            method(**{key: given[key] for key in inspect.signature(method).parameters})
    except SkipTest as reason:
        return "skipped", str(reason)
    except AssertionError as error:
        return "failed", str(error)
    except Exception as error:
        return "failed", cause(error)
    return "passed", ""

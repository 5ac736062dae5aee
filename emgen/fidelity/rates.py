"""How many of a stack's particles are as their labels say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from emgen.fidelity.judge import FAULTS, Judged


def rates(stack: Sequence[Judged]) -> dict[str, float]:
    """``pass_rate``: share of sound ones among labelled and invented particles that could be judged; the share of each
    fault alike; ``images_without_fault``: share of images. 1 and 0 where there is nothing to judge."""
    counts = {fault: sum(image.count(fault) for image in stack) for fault in FAULTS}
    sound = sum(image.count("sound") for image in stack)
    total = max(sound + sum(counts.values()), 1)
    clean = sum(image.faults == 0 for image in stack) / len(stack) if stack else 1.0
    passed = 1.0 - sum(counts.values()) / total
    return {"pass_rate": passed, **{fault: counts[fault] / total for fault in FAULTS}, "images_without_fault": clean}


def counts(stack: Sequence[Judged]) -> dict[str, Any]:
    """Numbers of images, of labelled particles and of each verdict."""
    names = ("sound", *FAULTS, "unknown")
    labelled = sum(len(image.verdicts) for image in stack)
    return {"images": len(stack), "labelled": labelled, **{name: sum(i.count(name) for i in stack) for name in names}}

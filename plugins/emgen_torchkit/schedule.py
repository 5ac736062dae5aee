"""From epochs to steps, and learning rates by step."""

from __future__ import annotations

from torch.optim import Optimizer


def steps_per_epoch(images: int, batch: int) -> int:
    """At least one."""
    return max(1, images // batch)


def set_rate(optimizer: Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate


def flat_then_linear(index: int, flat: int, decay: int) -> float:
    """Factor of the learning rate at a step: 1 for ``flat`` steps, then linearly to 0 over ``decay`` (pix2pix).

    >>> [flat_then_linear(i, 2, 2) for i in range(4)]
    [1.0, 1.0, 1.0, 0.5]
    """
    return 1.0 if index < flat or decay == 0 else max(0.0, 1.0 - (index - flat) / decay)

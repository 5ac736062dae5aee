"""Who may learn from what: subset 1, subset 2 and the held-out part of a stack, as windows that never touch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from math import ceil
from typing import Any, Literal, Protocol

import numpy as np

from emgen.data.strips import Division, divide
from emgen.data.window import Window
from emgen.errors import NoImagesError

Count = Callable[[int, Window], int]
"""Rough particles of micrograph ``index`` within a window."""
MANY_MICROGRAPHS = 48
"""From so many on, whole micrographs are dealt out, unless they are large."""
LARGE_CROPS = 4
"""A micrograph of more than so many crops' area is divided instead of dealt out."""


class SplitSettings(Protocol):
    """The part of a spec that this module reads (``emgen.spec``: ``split``)."""

    @property
    def subset1(self) -> float | int: ...
    @property
    def held_out(self) -> float: ...
    @property
    def by(self) -> str: ...
    @property
    def guard(self) -> int: ...


@dataclass(frozen=True, slots=True)
class SplitPlan:
    """The split, as recorded in a run.

    Attributes
    ----------
    by: whole micrographs, or regions of each.
    guard: least distance between windows of different parts, in pixels at the working scale.
    subset1: few, with rough labels. subset2: many, without. held_out: seen by no training, with rough labels.
    """

    by: Literal["micrograph", "region"]
    guard: int
    subset1: tuple[Window, ...]
    subset2: tuple[Window, ...]
    held_out: tuple[Window, ...]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> SplitPlan:
        windows = {part: tuple(Window(**w) for w in data[part]) for part in ("subset1", "subset2", "held_out")}
        return cls(by=data["by"], guard=data["guard"], **windows)


def split_micrographs(
    shapes_HW: Sequence[tuple[int, int]],
    factors: Sequence[float],
    particle_counts: Count | None,
    split: SplitSettings,
    crop: int,
    seed: int,
) -> SplitPlan:
    """Divide a stack into subset 1, subset 2 and a held-out part.

    Many small micrographs are dealt out whole; of few or large ones each is divided into strips with a guard band
    between them (``split.by``: ``auto`` decides). Where particle counts are given, subset 1 gets the micrographs or
    strips that hold particles.

    Parameters
    ----------
    shapes_HW: native shapes. factors: working scale over native scale, of each.
    crop, split.guard: in pixels at the working scale.
    split.subset1: share of the stack, or a number of micrographs.

    Raises ``NoImagesError`` where the stack is too small for what the split asks.
    """
    _check_enough(len(shapes_HW), split)
    by = _decide(shapes_HW, factors, split, crop)
    rng = np.random.default_rng([seed, 0x5711])
    if by == "micrograph":
        plan = _deal(shapes_HW, particle_counts, split, rng)
    else:
        plan = _divide_each(shapes_HW, factors, particle_counts, split, crop, rng)
    _assert_apart(plan, factors)
    return plan


def _check_enough(total: int, split: SplitSettings) -> None:
    if total == 0:
        raise NoImagesError("There is no micrograph to split.")
    if isinstance(split.subset1, int) and split.subset1 >= total and split.by != "region":
        raise NoImagesError(
            f"split.subset1 asks for {split.subset1} of {total} micrographs, which leaves none for subset 2. "
            "Give a smaller number, or a share below 1 (split.subset1: 0.3), by which each micrograph is divided."
        )
    least = 3 if split.held_out else 2
    if split.by == "micrograph" and total < least:
        raise NoImagesError(
            f"split.by: micrograph needs at least {least} micrographs, there are {total}. "
            "Use split.by: region, which divides each."
        )


def _decide(
    shapes_HW: Sequence[tuple[int, int]], factors: Sequence[float], split: SplitSettings, crop: int
) -> Literal["micrograph", "region"]:
    if split.by in ("micrograph", "region"):
        return "micrograph" if split.by == "micrograph" else "region"
    enough = len(shapes_HW) >= (3 if split.held_out else 2)
    if isinstance(split.subset1, int) and enough:
        return "micrograph"
    areas = [h * w * f * f for (h, w), f in zip(shapes_HW, factors, strict=True)]
    sides = [max(shape) * f for shape, f in zip(shapes_HW, factors, strict=True)]
    divisible = float(np.median(sides)) >= 2 * crop + split.guard
    if enough and not divisible:
        return "micrograph"
    return "region" if len(shapes_HW) < MANY_MICROGRAPHS or max(areas) > LARGE_CROPS * crop**2 else "micrograph"


def _share(split: SplitSettings, total: int) -> float:
    return split.subset1 / total if isinstance(split.subset1, int) else split.subset1


def _deal(
    shapes_HW: Sequence[tuple[int, int]], count: Count | None, split: SplitSettings, rng: np.random.Generator
) -> SplitPlan:
    """Whole micrographs in random order; those without a rough particle go to subset 2 as far as possible."""
    total = len(shapes_HW)
    windows = [Window(i, 0, 0, h, w) for i, (h, w) in enumerate(shapes_HW)]
    order = [windows[i] for i in rng.permutation(total)]
    if count is not None:
        order.sort(key=lambda w: count(w.index, w) == 0)
    held = max(1, round(split.held_out * total)) if split.held_out else 0
    first = min(max(1, round(_share(split, total) * total)), total - held - 1)
    held = min(held, total - first - 1)
    return SplitPlan(
        by="micrograph",
        guard=split.guard,
        subset1=_sorted(order[:first]),
        held_out=_sorted(order[first : first + held]),
        subset2=_sorted(order[first + held :]),
    )


def _divide_each(
    shapes_HW: Sequence[tuple[int, int]],
    factors: Sequence[float],
    count: Count | None,
    split: SplitSettings,
    crop: int,
    rng: np.random.Generator,
) -> SplitPlan:
    share = min(_share(split, len(shapes_HW)), 0.9)
    divisions: list[Division] = []
    for index, (shape_HW, factor) in enumerate(zip(shapes_HW, factors, strict=True)):
        native = (ceil(crop / factor), ceil(split.guard / factor))
        counted = None if count is None else _of(count, index)
        divisions.append(divide(index, shape_HW, share, split.held_out, *native, counted, rng))
    if split.held_out and len(divisions) > 1 and not any(d.held_out for d in divisions):
        divisions = _hold_one_strip(divisions, rng)
    return SplitPlan(
        by="region",
        guard=split.guard,
        subset1=_sorted(w for d in divisions for w in d.subset1),
        subset2=_sorted(w for d in divisions for w in d.subset2),
        held_out=_sorted(w for d in divisions for w in d.held_out),
    )


def _hold_one_strip(divisions: list[Division], rng: np.random.Generator) -> list[Division]:
    """Where no strip is long enough to lose a piece, one micrograph's whole strip is held out."""
    chosen = int(rng.integers(len(divisions)))
    strip = divisions[chosen]
    return [*divisions[:chosen], Division((), strip.subset2, strip.subset1), *divisions[chosen + 1 :]]


def _of(count: Count, index: int) -> Callable[[Window], int]:
    return lambda window: count(index, window)


def _sorted(windows: Iterable[Window]) -> tuple[Window, ...]:
    return tuple(sorted(windows))


def _assert_apart(plan: SplitPlan, factors: Sequence[float]) -> None:
    """The whole point of a split; a violation is a bug here, not a user's mistake."""
    assert plan.subset1, "subset 1 is empty"
    assert plan.subset2, "subset 2 is empty"
    for one, other in combinations((plan.subset1, plan.subset2, plan.held_out), 2):
        for a in one:
            for b in other:
                if a.index == b.index:
                    assert a.gap(b) >= plan.guard / factors[a.index], f"{a} and {b} are closer than the guard band"

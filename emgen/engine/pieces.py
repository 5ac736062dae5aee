"""Stacks made piece by piece: what is done survives a kill, and a resumed step makes exactly the rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emgen.artifacts import create_stack, open_stack
from emgen.engine.cache import Draft
from emgen.engine.seeds import batch_rng
from emgen.errors import Interrupted, PluginError
from emgen.stages import Context

BATCH = 16
"""Images a piece. Part of the outcome, as every piece has a generator of its own; so it is no setting."""

Make = Callable[[int, int, np.random.Generator], NDArray[Any]]


def fill(draft: Draft, context: Context, name: str, shape_NHW: tuple[int, int, int], dtype: Any, make: Make) -> None:
    """Fills the stack ``name`` with ``make(start, stop, rng)``, which gives images ``start`` to ``stop - 1``."""
    total, done = shape_NHW[0], draft.done()
    folder = draft.folder / name
    stack = open_stack(folder, writable=True) if done else create_stack(folder, shape_NHW, dtype)
    context.plan(total)
    for start in range(done, total, BATCH):
        check_stop(context, f"stopped at {start} of {total}")
        stop = min(start + BATCH, total)
        made = make(start, stop, batch_rng(context.seed, start))
        stack[start:stop] = checked(made, (stop - start, *shape_NHW[1:]), dtype)
        draft.mark_done(stop)
        context.log(stop, {})


def check_stop(context: Context, text: str) -> None:
    if context.should_stop():
        raise Interrupted(text)


def checked(made: Any, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """What a stage returned, held to the contract. Raises ``PluginError`` that says what was promised."""
    array = np.asarray(made)
    if array.shape != shape:
        raise PluginError(f"it returned an array of shape {array.shape}, the contract says {shape}")
    if np.issubdtype(dtype, np.integer):
        if not np.issubdtype(array.dtype, np.integer) or (array.size and array.min() < 0):
            raise PluginError(f"it returned {array.dtype} labels, the contract says int32 from 0")
    elif not np.isfinite(array).all() or (array.size and (array.min() < -1e-3 or array.max() > 1 + 1e-3)):
        raise PluginError("it returned values outside [0, 1] or NaN, the contract says float32 in [0, 1]")
    else:
        array = np.clip(array, 0, 1)
    return array.astype(dtype, copy=False)


def count_particles(labels: NDArray[Any]) -> int:
    """Instances in an array of labels; numbers without a pixel do not count."""
    return int(np.count_nonzero(np.bincount(labels.ravel())[1:]))

"""The one training loop: seeded by step, logged, stoppable, resumed exactly, stopped by NaN."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from emgen.errors import Interrupted, TrainingError
from emgen.stages import Context, snapshot_steps
from emgen_torchkit import parallel, state
from emgen_torchkit.device import reproducible

CHECKPOINT_EVERY_S = 20.0


class Trainee(Protocol):
    """What can be trained: one optimisation step at a time."""

    def step(self, index: int, rng: np.random.Generator) -> Mapping[str, float]:
        """One step; returns its losses. All its randomness comes from ``rng`` and torch's seeded generator."""
        ...

    def state(self) -> Mapping[str, state.Stateful]:
        """Everything that a step changes: networks, optimisers, buffers (filled in place on resume)."""
        ...


def train(
    trainee: Trainee,
    steps: int,
    context: Context,
    *,
    save: Callable[[Path], None] | None = None,
    log_every: int = 10,
) -> None:
    """Runs ``steps`` steps, or those that are left when ``context.scratch`` holds a checkpoint.

    Each step seeds its own random numbers from (seed, index), so a resumed run takes the very steps that an
    uninterrupted one takes. Raises ``TrainingError`` when a loss is not finite, ``Interrupted`` when asked to stop.

    ``save`` writes the stage as it is now; with it, ``context.snapshot`` is offered ``context.snapshots`` evenly spaced
    states, and training ends early where it answers true.

    With ``context.world`` processes all call this at once and take every step together (``emgen_torchkit.parallel``);
    what the first of them answers, decides.
    """
    checkpoint = context.scratch / "checkpoint.safetensors" if context.scratch else None
    moments = snapshot_steps(steps, context.snapshots) if save else []
    context.plan(steps)
    saved, usual = time.monotonic(), None
    with reproducible(context.seed), parallel.together(parallel.Peers(context.rank, context.world)):
        for index in range(_begin(trainee, checkpoint, context.seed), steps):
            losses = _step(trainee, index, context.seed)
            usual = losses.keys() if usual is None else usual & losses.keys()
            rare = losses.keys() - usual  # a validation loss comes once an epoch, at a step of its own
            if index == 0 or (index + 1) % log_every == 0 or index == steps - 1 or rare:
                context.log(index + 1, losses)
            asked = context.should_stop()
            stop, due = parallel.first(asked, asked or time.monotonic() - saved > CHECKPOINT_EVERY_S)
            offered = save if index + 1 in moments else None
            if offered or due or index == steps - 1:
                parallel.average_buffers(trainee.state().values())
            # Before the checkpoint of this step: one that stands then says that its snapshot was taken.
            if offered and _ends_here(context, index + 1, offered):
                return
            if checkpoint and due:
                if context.rank == 0:
                    state.save(checkpoint, trainee.state(), step=index + 1, seed=context.seed)
                saved = time.monotonic()
            if stop and index + 1 < steps:
                raise Interrupted(f"stopped after step {index + 1} of {steps}; run again to resume")


def descend(optimizer: torch.optim.Optimizer, loss: torch.Tensor, clip: float | None = None) -> None:
    """One step of an optimiser down the gradient of a loss, averaged over the processes that train together.

    ``clip``: the largest norm that the gradient of all its parameters may have.
    """
    optimizer.zero_grad()
    loss.backward()
    parallel.average_gradients(optimizer)
    if clip is not None:
        moved = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        torch.nn.utils.clip_grad_norm_(moved, clip)
    optimizer.step()


def _begin(trainee: Trainee, checkpoint: Path | None, seed: int) -> int:
    """The step to begin with, the same in all processes; none goes on before all have read the checkpoint."""
    done = _resume(trainee, checkpoint, seed)
    parallel.require_same(done)
    parallel.begin_alike(trainee.state().values())
    return done


def _ends_here(context: Context, step: int, save: Callable[[Path], None]) -> bool:
    """The first process's judgement, which it forms without the others."""
    with parallel.together(parallel.Peers()):
        ended = context.snapshot(step, save)
    return parallel.first(ended)[0]


def _step(trainee: Trainee, index: int, seed: int) -> Mapping[str, float]:
    torch.manual_seed(int(np.random.SeedSequence([seed, index]).generate_state(1, np.uint64)[0] >> 1))
    losses = parallel.mean(trainee.step(index, np.random.default_rng([seed, index])))
    bad = [name for name, value in losses.items() if not math.isfinite(value)]
    if bad:
        raise TrainingError(
            f"the loss {', '.join(bad)} is not finite at step {index + 1}. The last checkpoint is kept. "
            "Lower the learning rate (setting `learning_rate`), or use precision float32."
        )
    return losses


def _resume(trainee: Trainee, checkpoint: Path | None, seed: int) -> int:
    if checkpoint is None or not checkpoint.exists():
        return 0
    facts = state.load(checkpoint, trainee.state())
    return int(facts["step"]) if facts.get("seed") == seed else 0

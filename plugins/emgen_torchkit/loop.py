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
from emgen_torchkit import state
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
    """
    checkpoint = context.scratch / "checkpoint.safetensors" if context.scratch else None
    done = _resume(trainee, checkpoint, context.seed)
    moments = snapshot_steps(steps, context.snapshots) if save else []
    context.plan(steps)
    saved, usual = time.monotonic(), None
    with reproducible(context.seed):
        for index in range(done, steps):
            losses = _step(trainee, index, context.seed)
            usual = losses.keys() if usual is None else usual & losses.keys()
            rare = losses.keys() - usual  # a validation loss comes once an epoch, at a step of its own
            if index == 0 or (index + 1) % log_every == 0 or index == steps - 1 or rare:
                context.log(index + 1, losses)
            # Before the checkpoint of this step: one that stands then says that its snapshot was taken.
            if save and index + 1 in moments and context.snapshot(index + 1, save):
                return
            stop = context.should_stop()
            if checkpoint and (stop or time.monotonic() - saved > CHECKPOINT_EVERY_S):
                state.save(checkpoint, trainee.state(), step=index + 1, seed=context.seed)
                saved = time.monotonic()
            if stop and index + 1 < steps:
                raise Interrupted(f"stopped after step {index + 1} of {steps}; run again to resume")


def descend(optimizer: torch.optim.Optimizer, loss: torch.Tensor) -> None:
    """One step of an optimiser down the gradient of a loss."""
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def _step(trainee: Trainee, index: int, seed: int) -> Mapping[str, float]:
    torch.manual_seed(int(np.random.SeedSequence([seed, index]).generate_state(1, np.uint64)[0] >> 1))
    losses = trainee.step(index, np.random.default_rng([seed, index]))
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

"""Two processes that train together do what one does that adds up the gradients of the same half-batches."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import two_processes

torch = pytest.importorskip("torch")

import emgen_cyclegan.gan  # noqa: E402
import emgen_npssegnet.task  # noqa: E402
import emgen_pix2pix.gan  # noqa: E402
from emgen_torchkit.adversarial import verdict_loss  # noqa: E402
from emgen_torchkit.loop import descend  # noqa: E402

pytestmark = pytest.mark.slow


class Pix2PixByHalves(emgen_pix2pix.gan._Training):
    def step(self, index: int, rng: np.random.Generator) -> Mapping[str, float]:
        condition, real = self._batch(rng)
        self.generator.train()
        conditions, reals = condition.chunk(2), real.chunk(2)
        fakes = [self.generator(half) for half in emgen_pix2pix.gan._with_latent(condition).chunk(2)]
        triples = list(zip(conditions, reals, fakes, strict=True))
        descend(self.optimizers["judge"], sum(self._judged(*triple) for triple in triples) / 2)
        descend(self.optimizers["generator"], sum(self._painted(*triple) for triple in triples) / 2)
        return {}

    def _judged(self, condition: Any, real: Any, fake: Any) -> Any:
        verdicts = self._judge(condition, real), self._judge(condition, fake.detach())
        return (verdict_loss(verdicts[0], True) + verdict_loss(verdicts[1], False)) / 2

    def _painted(self, condition: Any, real: Any, fake: Any) -> Any:
        fooled = verdict_loss(self._judge(condition, fake), True)
        return fooled + self.config.l1_weight * (fake - real).abs().mean() * 2


class CycleGanByHalves(emgen_cyclegan.gan._Training):
    def step(self, index: int, rng: np.random.Generator) -> Mapping[str, float]:
        source, target = self._draw(self.source, rng), self._draw(self.target, rng)
        made = [self._translate(*halves) for halves in zip(source.chunk(2), target.chunk(2), strict=True)]
        descend(self.translating, sum(sum(losses.values()) for losses, _ in made) / 2)
        loss = torch.zeros(())
        for side, image in (("target", target), ("source", source)):
            shown = self.pools[side].exchange(torch.cat([fakes[side].detach() for _, fakes in made]), rng)
            for real, fake in zip(image.chunk(2), shown.chunk(2), strict=True):
                verdicts = self._verdict(side, real), self._verdict(side, fake)
                loss = loss + (verdict_loss(verdicts[0], True) + verdict_loss(verdicts[1], False)) / 4
        descend(self.judging, loss)
        return {}


class NPsSegNetByHalves(emgen_npssegnet.task._Training):
    def step(self, index: int, rng: np.random.Generator) -> Mapping[str, float]:
        for group in self.optimizer.param_groups:
            group["lr"] = self._rate(index)
        self.net.train()
        halves = np.split(rng.choice(self.training, self.config.batch, replace=False), 2)
        draws = zip(halves, (rng, rng.spawn(1)[0]), strict=True)
        loss = sum(self._loss(*self.batches.draw(half, numbers)) for half, numbers in draws) / 2
        descend(self.optimizer, loss, clip=5.0)
        self.best.load_state_dict(self.net.state_dict())
        return {}


STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
ROUNDING = 0.05
"""Of the way that the weights go from the first step to the last; half-batches against whole ones: 0.8 and more."""
BY_HALVES = {
    "pix2pix": (emgen_pix2pix.gan, Pix2PixByHalves),
    "cyclegan": (emgen_cyclegan.gan, CycleGanByHalves),
    "npssegnet": (emgen_npssegnet.task, NPsSegNetByHalves),
}


@pytest.fixture(scope="module")
def by_two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What both processes ended with, in folders ``<stage>-<rank>``."""
    out = tmp_path_factory.mktemp("two")
    processes = []
    for rank in range(2):
        environ = {**os.environ, "OMP_NUM_THREADS": "1", "RANK": str(rank), "WORLD_SIZE": "2"}
        command = [sys.executable, two_processes.__file__, str(out)]
        processes.append(subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True))
    shown = [process.communicate(timeout=500)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], "\n".join(shown)
    return out


def weights(folder: Path) -> Any:
    """All in one vector, without running statistics, which depend on the order in which shares were seen."""
    from safetensors.torch import load_file

    loaded = load_file(folder / "weights.safetensors")
    return torch.cat([value.ravel() for name, value in sorted(loaded.items()) if not name.endswith(STATISTICS)])


@pytest.mark.parametrize("stage", two_processes.STAGES)
def test_two_processes_train_what_one_does_by_halves(
    stage: str, by_two: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_processes.fit(stage, tmp_path / "begun", steps=1)
    module, training = BY_HALVES[stage]
    monkeypatch.setattr(module, "_Training", training)
    two_processes.fit(stage, tmp_path / "one")
    expected, found = weights(tmp_path / "one"), weights(by_two / f"{stage}-0")
    way = (expected - weights(tmp_path / "begun")).norm()
    # Not each weight by itself: Adam takes a full step along a gradient that is nothing but rounding.
    assert float((found - expected).norm() / way) < ROUNDING
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-3)


@pytest.mark.parametrize("stage", two_processes.STAGES)
def test_both_processes_end_with_one_network(stage: str, by_two: Path) -> None:
    from safetensors.torch import load_file

    first, second = (load_file(by_two / f"{stage}-{rank}" / "weights.safetensors") for rank in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)

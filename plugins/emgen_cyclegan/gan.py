"""CycleGAN: unpaired training between the 1st generation and real micrographs, and the 2nd generation."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from emgen.errors import ModelError
from emgen.stages import Context, FloatArray, Stack
from emgen_cyclegan.config import CycleGanConfig
from emgen_torchkit import state, translating
from emgen_torchkit.adversarial import ImagePool, discriminator, verdict_loss
from emgen_torchkit.device import autocast, reproducible, to_device
from emgen_torchkit.images import draw_dithered, pad_to_multiple
from emgen_torchkit.loop import descend, train
from emgen_torchkit.networks import (
    ResNetGenerator,
    encoder_decoder,
    in_one_pass,
    initialise,
    zero_last_convolution,
)
from emgen_torchkit.parallel import gather, share
from emgen_torchkit.schedule import flat_then_linear, set_rate, steps_per_epoch


class Translator(nn.Module):
    """Image to image in [-1, 1]: the input plus what the network changes in it.

    It starts as the identity (its last convolution is zero), so particles start, and are kept, where they are.
    """

    def __init__(self, config: CycleGanConfig) -> None:
        super().__init__()
        if config.generator == "resnet":
            self.net: nn.Module = ResNetGenerator(1, 1, config.generator_width, config.generator_blocks)
            initialise(self.net)
        else:
            self.net = encoder_decoder("unet++", config.encoder, config.decoder_channels)
        zero_last_convolution(self.net)

    def forward(self, x_B1HW: Tensor) -> Tensor:
        h, w = x_B1HW.shape[-2:]
        change = self.net(pad_to_multiple(x_B1HW, 32))[..., :h, :w]
        out: Tensor = x_B1HW + change
        return out


class CycleGan:
    """Zhu et al. 2017. ``source`` is the 1st generation, ``target`` real micrographs; only source -> target is kept."""

    parallel = True

    def __init__(self, config: CycleGanConfig, context: Context | None = None) -> None:
        self.config = config
        self.context = context or Context()
        with reproducible(self.context.seed):
            self.translator = to_device(Translator(config), self.context.device)
        self._ready = False

    def fit(self, source_NHW: Stack, target_MHW: Stack, context: Context) -> None:
        """(N, H, W) and (M, H, W) float32 in [0, 1], unpaired, of one size."""
        trainee = _Training(self.translator, source_NHW, target_MHW, self.config, context)
        train(trainee, trainee.steps, context, save=self.save)
        self._ready = True

    def translate(self, source_NHW: Stack, rng: np.random.Generator) -> FloatArray:
        if not self._ready:
            raise ModelError("cyclegan: neither trained nor loaded yet; call `fit` or `load` first")
        return translating.translate(self.translator, source_NHW, self.context.device)

    def save(self, folder: Path) -> None:
        translating.save(self.translator, folder)

    def load(self, folder: Path) -> None:
        translating.load(self.translator, folder, "cyclegan")
        self._ready = True


class _Training:
    """Two translators, two discriminators; the names forward and back are source -> target and target -> source."""

    def __init__(
        self, forward: Translator, source: Stack, target: Stack, config: CycleGanConfig, context: Context
    ) -> None:
        self.config, self.context, self.source, self.target = config, context, source, target
        self.forward = forward
        with reproducible(context.seed + 1):
            self.back = to_device(Translator(config), context.device)
            judges = nn.ModuleDict({side: self._new_judge() for side in ("target", "source")})
            self.judges = to_device(judges, context.device)
        shape = (1, *np.asarray(source[0]).shape)
        self.pools = {side: ImagePool(config.pool, shape, context.device) for side in ("target", "source")}
        adam = {"lr": config.learning_rate, "betas": config.betas}
        both = itertools.chain(self.forward.parameters(), self.back.parameters())
        self.translating = torch.optim.Adam(list(both), **adam)
        self.judging = torch.optim.Adam(self.judges.parameters(), **adam)
        per_epoch = steps_per_epoch(max(len(source), len(target)), config.batch)
        self.steps = config.max_steps or (config.epochs + config.decay_epochs) * per_epoch
        self.flat = self.steps * config.epochs // (config.epochs + config.decay_epochs)

    def _new_judge(self) -> nn.Module:
        c = self.config
        return discriminator(
            c.discriminator,
            1,
            width=c.patch_width,
            layers=c.patch_layers,
            encoder=c.encoder,
            decoder_channels=c.decoder_channels,
            detail=c.detail,
        )

    def state(self) -> Mapping[str, state.Stateful]:
        pools = {f"pool {k}": p.images for k, p in self.pools.items()} | {
            f"pool count {k}": p.count for k, p in self.pools.items()
        }
        return {
            "forward": self.forward,
            "back": self.back,
            "judges": self.judges,
            "optimizer translating": self.translating,
            "optimizer judging": self.judging,
            **pools,
        }

    def step(self, index: int, rng: np.random.Generator) -> Mapping[str, float]:
        rate = self.config.learning_rate * flat_then_linear(index, self.flat, self.steps - self.flat)
        set_rate(self.translating, rate)
        set_rate(self.judging, rate * self.config.judge_rate)
        source, target = self._draw(self.source, rng), self._draw(self.target, rng)
        with autocast(self.context.device, self.context.precision):
            losses, fakes = self._translate(source, target)
        descend(self.translating, sum(losses.values(), torch.zeros((), device=self.context.device)))
        judged = self._judge_all({"target": target, "source": source}, fakes, rng)
        return {name: float(value.detach()) for name, value in (losses | judged).items()}

    def _draw(self, stack: Stack, rng: np.random.Generator) -> Tensor:
        return draw_dithered(stack, self.config.batch, rng, self.context)

    def _translate(self, source: Tensor, target: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        c, l1 = self.config, nn.functional.l1_loss
        fake_target, same_target = in_one_pass(self.forward, source, target)
        fake_source, same_source = in_one_pass(self.back, target, source)
        self.judges.requires_grad_(False)
        adversarial = sum(
            verdict_loss(self._verdict(side, fake), True)
            for side, fake in (("target", fake_target), ("source", fake_source))
        )
        self.judges.requires_grad_(True)
        cycle = l1(self.back(fake_target), source) + l1(self.forward(fake_source), target)
        same = l1(same_target, target) + l1(same_source, source)
        losses = {
            "adversarial": torch.as_tensor(adversarial),
            "cycle": c.cycle_weight * cycle,
            "identity": c.cycle_weight * c.identity_weight * same,
        }
        return losses, {"target": fake_target, "source": fake_source}

    def _verdict(self, side: str, image: Tensor) -> Tensor:
        verdict: Tensor = self.judges[side](pad_to_multiple(image, 32))
        return verdict.float()

    def _judge_all(
        self, real: Mapping[str, Tensor], fakes: Mapping[str, Tensor], rng: np.random.Generator
    ) -> dict[str, Tensor]:
        loss = torch.zeros((), device=self.context.device)
        for side, image in real.items():
            shown = share(self.pools[side].exchange(gather(fakes[side].detach().float()), rng))  # one pool for all
            with autocast(self.context.device, self.context.precision):
                verdicts = self._verdict(side, image), self._verdict(side, shown)
            loss = loss + (verdict_loss(verdicts[0], True) + verdict_loss(verdicts[1], False)) / 2
        descend(self.judging, loss)
        return {"discriminators": loss}

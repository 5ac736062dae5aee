"""One step of CUT: a generator against a discriminator, held to its input by the contrastive loss."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from emgen.stages import Context, Stack
from emgen_cut.config import CutConfig
from emgen_cut.networks import Heads, Translator, patch_nce, patches_at
from emgen_torchkit import state
from emgen_torchkit.adversarial import discriminator, verdict_loss
from emgen_torchkit.device import autocast, reproducible, to_device
from emgen_torchkit.images import draw_dithered, pad_to_multiple
from emgen_torchkit.loop import descend
from emgen_torchkit.schedule import flat_then_linear, set_rate, steps_per_epoch


class Training:
    """What ``emgen_torchkit.loop.train`` trains."""

    def __init__(
        self, translator: Translator, source: Stack, target: Stack, config: CutConfig, context: Context
    ) -> None:
        self.translator, self.source, self.target = translator, source, target
        self.config, self.context = config, context
        with reproducible(context.seed + 1):
            self.heads = Heads(translator.channels, config.embedding).to(context.device)
            judge = discriminator(
                "patch",
                1,
                width=config.patch_width,
                layers=config.patch_layers,
                encoder="",  # of the other kind of discriminator
                decoder_channels=(),
                detail=config.detail,
            )
            self.judge = to_device(judge, context.device)
        adam = {"lr": config.learning_rate, "betas": config.betas}
        self.translating = torch.optim.Adam([*translator.parameters(), *self.heads.parameters()], **adam)
        self.judging = torch.optim.Adam(self.judge.parameters(), **adam)
        per_epoch = steps_per_epoch(max(len(source), len(target)), config.batch)
        self.steps = config.max_steps or (config.epochs + config.decay_epochs) * per_epoch
        self.flat = self.steps * config.epochs // (config.epochs + config.decay_epochs)

    def state(self) -> Mapping[str, state.Stateful]:
        return {
            "translator": self.translator,
            "heads": self.heads,
            "judge": self.judge,
            "optimizer translating": self.translating,
            "optimizer judging": self.judging,
        }

    def step(self, index: int, rng: np.random.Generator) -> Mapping[str, float]:
        rate = self.config.learning_rate * flat_then_linear(index, self.flat, self.steps - self.flat)
        set_rate(self.translating, rate)
        set_rate(self.judging, rate * self.config.judge_rate)
        source, target = self._draw(self.source, rng), self._draw(self.target, rng)
        mirrored = self.config.flip_equivariance and rng.random() < 0.5
        with autocast(self.context.device, self.context.precision):
            losses, fake = self._translate(source, target, mirrored, rng)
        descend(self.translating, sum(losses.values(), torch.zeros((), device=self.context.device)))
        with autocast(self.context.device, self.context.precision):
            real_verdict, fake_verdict = self._verdict(target), self._verdict(fake.detach())
        judged = (verdict_loss(real_verdict, True) + verdict_loss(fake_verdict, False)) / 2
        descend(self.judging, judged)
        return {name: float(value.detach()) for name, value in {**losses, "discriminator": judged}.items()}

    def _draw(self, stack: Stack, rng: np.random.Generator) -> Tensor:
        """(B, 1, H, W), H and W multiples of 4."""
        return pad_to_multiple(draw_dithered(stack, self.config.batch, rng, self.context), 4)

    def _translate(
        self, source: Tensor, target: Tensor, mirrored: bool, rng: np.random.Generator
    ) -> tuple[dict[str, Tensor], Tensor]:
        """The generator's losses (equation 5 of the paper), and what it made of the source."""
        c = self.config
        fake = self.translator(source.flip(-1) if mirrored else source)
        self.judge.requires_grad_(False)
        losses = {"adversarial": verdict_loss(self._verdict(fake), True)}
        self.judge.requires_grad_(True)
        if c.nce_weight:
            losses["contrastive"] = c.nce_weight * self._patch_loss(source, fake, mirrored, rng)
        if c.identity_weight:
            same = self.translator(target.flip(-1) if mirrored else target)
            losses["identity"] = c.identity_weight * self._patch_loss(target, same, mirrored, rng)
        return losses, fake

    def _patch_loss(self, image: Tensor, made: Tensor, mirrored: bool, rng: np.random.Generator) -> Tensor:
        """Mean over the layers. ``mirrored``: ``made`` is of the mirrored image, and its features are turned back.

        Keys carry no gradient: the output learns to be recognised by its input, not the other way round.
        """
        with torch.no_grad():
            key_maps = list(self.translator.features(image))
        losses = []
        for layer, (query, key) in enumerate(zip(self.translator.features(made), key_maps, strict=True)):
            query = query.flip(-1) if mirrored else query
            places = self._places(query.shape[-2] * query.shape[-1], rng)
            with torch.no_grad():
                wanted = self.heads(patches_at(key, places), layer)
            losses.append(patch_nce(self.heads(patches_at(query, places), layer), wanted, self.config.temperature))
        return torch.stack(losses).mean()

    def _places(self, count: int, rng: np.random.Generator) -> Tensor:
        chosen = rng.choice(count, min(count, self.config.locations), replace=False)
        return torch.from_numpy(chosen).to(self.context.device)

    def _verdict(self, image: Tensor) -> Tensor:
        verdict: Tensor = self.judge(image)
        return verdict.float()

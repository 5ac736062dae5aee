"""pix2pix: training from pairs (rough mask, micrograph), and the 1st generation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file
from safetensors.numpy import save as as_bytes
from torch import Tensor, nn

from emgen.errors import ModelError, NoParticlesError
from emgen.particles import equivalent_diameters
from emgen.particles.profile import edge_profile
from emgen.stages import Context, FloatArray, Stack
from emgen_pix2pix.conditions import (
    CHANNELS,
    ContrastLaw,
    NoiseLaw,
    Scene,
    contrasts,
    particle_channels,
    scene,
    scene_levels,
)
from emgen_pix2pix.config import Pix2PixConfig
from emgen_torchkit import state
from emgen_torchkit.adversarial import discriminator, verdict_loss
from emgen_torchkit.device import autocast, reproducible, to_device
from emgen_torchkit.images import flip, flip_codes, pad_to_multiple
from emgen_torchkit.loop import descend, train
from emgen_torchkit.networks import encoder_decoder, zero_last_convolution
from emgen_torchkit.parallel import share, world
from emgen_torchkit.schedule import flat_then_linear, set_rate, steps_per_epoch

_BATCH = 16
_REACH, _BLURS = 7, (0.5, 2.5)  # px: half width of the kernel that softens edges, and the range of its deviation
_LATENT = 1  # a channel of white noise: what the condition leaves open can vary


class Generator(nn.Module):
    """UNet++ that adds what the mask asks for: image = background + noise (+ drawn particles) + net(condition).

    Drawn particles, if any, have the contrast asked for, and the profile and softness of edge that the real ones have
    on average (``draw_like``). So they are there from the first step on; the network learns what else is to be seen.

    x_BCHW: (B, 5 + 1, H, W), the channels of ``conditions`` and white noise. Gives (B, 1, H, W) on the [0, 1] scale.
    """

    soft: Tensor
    flatness: Tensor

    def __init__(self, encoder: str, decoder_channels: tuple[int, ...], *, drawing: bool = False) -> None:
        super().__init__()
        self.drawing = drawing
        self.net = encoder_decoder("unet++", encoder, decoder_channels, in_channels=CHANNELS + _LATENT)
        zero_last_convolution(self.net)
        self.register_buffer("soft", torch.zeros(1, 1, 2 * _REACH + 1, 2 * _REACH + 1))
        self.register_buffer("flatness", torch.zeros(()))
        self.draw_like(flatness=0.5, blur=1.0)

    def draw_like(self, *, flatness: float, blur: float) -> None:
        """``flatness``: 0 a sphere's profile, 1 a disc's. ``blur``: of edges, px."""
        line = torch.exp(-0.5 * (torch.arange(-_REACH, _REACH + 1.0) / min(max(blur, _BLURS[0]), _BLURS[1])) ** 2)
        self.soft.copy_(torch.outer(line, line)[None, None] / line.sum() ** 2)
        self.flatness.fill_(flatness)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        h, w = x_BCHW.shape[-2:]
        scene = x_BCHW[:, 3:4] + x_BCHW[:, 4:5]
        if self.drawing:
            with torch.autocast(
                x_BCHW.device.type, enabled=False
            ):  # a drawing is exact, whatever the network's precision
                scene = scene + self._particles(x_BCHW[:, 1:2], x_BCHW[:, 2:3])
        out: Tensor = scene + self.net(pad_to_multiple(x_BCHW, 32))[..., :h, :w]
        return out

    def _particles(self, contrast: Tensor, dome: Tensor) -> Tensor:
        """``contrast`` is a particle's mean; a sphere's mean height is two thirds of its peak."""
        profile = self.flatness + (1 - self.flatness) * (dome * (2 - dome)).clamp(min=0).sqrt()
        sharp = contrast * profile / (self.flatness + (1 - self.flatness) * 2 / 3)
        padded = nn.functional.pad(sharp, (_REACH,) * 4, mode="replicate")
        return nn.functional.conv2d(padded, self.soft.to(padded.dtype))


class Pix2Pix:
    """Isola et al. 2017 with least-squares loss, UNet++ networks and conditions that carry no trace of particles."""

    parallel = True

    def __init__(self, config: Pix2PixConfig, context: Context | None = None) -> None:
        self.config = config
        self.context = context or Context()
        with reproducible(self.context.seed):
            generator = Generator(config.encoder, config.decoder_channels, drawing=config.drawing)
            self.generator = to_device(generator, self.context.device)
        self.scenes: list[Scene] = []
        self.level_N = np.zeros(0, np.float32)  # what contrast particles have in each scene
        self.law = ContrastLaw(np.zeros(0, np.float32), np.zeros(0, np.float32))

    def fit(self, label_NHW: Stack, image_NHW: Stack, context: Context) -> None:
        """(N, H, W) int32 rough instances and (N, H, W) float32 in [0, 1]. ``NoParticlesError`` if there is none."""
        labels = [np.asarray(label_NHW[i]) for i in range(len(label_NHW))]
        images = [np.asarray(image_NHW[i], np.float32) for i in range(len(image_NHW))]
        self.scenes = [
            scene(i, la, self.config.background_sigma, self.config.margin) for i, la in zip(images, labels, strict=True)
        ]
        measured = [contrasts(i, s.background_HW, la) for i, s, la in zip(images, self.scenes, labels, strict=True)]
        self.level_N = scene_levels([contrast for _, contrast in measured])
        diameter, contrast = (np.concatenate(column) for column in zip(*measured, strict=True))
        self.law = ContrastLaw.fit(diameter, contrast, np.repeat(self.level_N, [c.size for _, c in measured]))
        if not self.law.diameter.size:
            raise NoParticlesError("pix2pix: the rough masks of subset 1 hold no particle to learn from")
        conditions = [_stacked(la, c, s) for la, (_, c), s in zip(labels, measured, self.scenes, strict=True)]
        if self.config.drawing:
            self._draw_like(images, labels)
        trainee = _Training(self.generator, np.stack(conditions), np.stack(images)[:, None], self.config, context)
        train(trainee, trainee.steps, context, save=self.save)
        self.generator.eval()

    def _draw_like(self, images: list[FloatArray], labels: list[np.ndarray]) -> None:
        """The drawing takes profile and blur from the rough particles, where there are enough of them."""
        bright = images if self.law.contrast.mean() > 0 else [1 - image for image in images]
        profile = edge_profile(zip(bright, labels, strict=True))
        if profile is not None:
            radius = float(np.median(self.law.diameter)) / 2
            self.generator.draw_like(flatness=profile.flatness, blur=profile.blur * radius)

    def generate(self, label_NHW: Stack, rng: np.random.Generator) -> FloatArray:
        """(N, H, W) int32 -> (N, H, W) float32 in [0, 1]; scenes drawn from subset 1 and flipped."""
        if not self.scenes:
            raise ModelError("pix2pix: neither trained nor loaded yet; call `fit` or `load` first")
        self.generator.eval()
        parts = []
        for start in range(0, len(label_NHW), _BATCH):
            conditions = [self._condition(np.asarray(label), rng) for label in label_NHW[start : start + _BATCH]]
            with torch.inference_mode(), reproducible(int(rng.integers(2**31))):
                x = _with_latent(torch.from_numpy(np.stack(conditions)).to(self.context.device))
                parts.append(self.generator(x).clamp(0, 1)[:, 0].cpu().numpy())
        return np.concatenate(parts)

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        state.save(folder / "weights.safetensors", {"generator": self.generator})
        scenes = {
            "background_NHW": np.stack([s.background_HW for s in self.scenes]).astype(np.float16),
            "noise_NHW": np.stack([s.noise_HW for s in self.scenes]).astype(np.float16),
            "diameter_K": self.law.diameter,
            "contrast_K": self.law.contrast,
            "level_K": self.law.level,
            "level_N": self.level_N,
            "noise_law_N2": np.array([(s.law.floor, s.law.slope) for s in self.scenes], np.float32),
        }
        (folder / "scenes.safetensors").write_bytes(as_bytes(scenes))

    def load(self, folder: Path) -> None:
        try:
            state.load(folder / "weights.safetensors", {"generator": self.generator})
            stored = load_file(folder / "scenes.safetensors")
        except (OSError, KeyError, RuntimeError) as error:
            raise ModelError(f"{folder}: no usable pix2pix weights ({error})") from error
        rows = zip(stored["background_NHW"], stored["noise_NHW"], stored["noise_law_N2"], strict=True)
        self.scenes = [
            Scene(b.astype(np.float32), n.astype(np.float32), NoiseLaw(float(law[0]), float(law[1])))
            for b, n, law in rows
        ]
        self.level_N = stored["level_N"]
        self.law = ContrastLaw(stored["diameter_K"], stored["contrast_K"], stored["level_K"])

    def _condition(self, label_HW: np.ndarray, rng: np.random.Generator) -> FloatArray:
        which = int(rng.integers(len(self.scenes)))
        (code,) = flip_codes(1, self.context.augmentations, rng)
        drawn = self.scenes[which]
        background, noise = (
            _fit_shape(flip(part, int(code)), label_HW.shape) for part in (drawn.background_HW, drawn.noise_HW)
        )
        diameters = equivalent_diameters(label_HW).astype(np.float32)
        contrast = self.law.draw(diameters, self.config.faintest, rng, float(self.level_N[which]))
        return _stacked(label_HW, contrast, Scene(background, noise, drawn.law))


def _stacked(label_HW: np.ndarray, contrast_K: FloatArray, drawn: Scene) -> FloatArray:
    """(C, H, W) condition of particles with these contrasts on a scene."""
    particle = particle_channels(label_HW, contrast_K)
    return np.concatenate([particle, drawn.channels(particle[1])]).astype(np.float32)


def _fit_shape(image_HW: np.ndarray, shape_HW: tuple[int, ...]) -> np.ndarray:
    """Cuts, or continues by reflection, to a shape."""
    out = image_HW
    for axis, wanted in enumerate(shape_HW):
        index = np.arange(wanted) % (2 * out.shape[axis])
        out = out.take(np.where(index < out.shape[axis], index, 2 * out.shape[axis] - 1 - index), axis)
    return out


def _with_latent(x_BCHW: Tensor) -> Tensor:
    b, _, h, w = x_BCHW.shape
    latent = share(torch.randn(b * world(), _LATENT, h, w))
    return torch.cat([x_BCHW, latent.to(x_BCHW.device)], 1)


class _Training:
    """Least-squares GAN + λ L1 on pairs, both networks by Adam."""

    def __init__(
        self, generator: Generator, conditions: FloatArray, images: FloatArray, config: Pix2PixConfig, context: Context
    ) -> None:
        self.generator, self.config, self.context = generator, config, context
        self.conditions_NCHW, self.images_N1HW = conditions, images
        with reproducible(context.seed + 1):
            judge = discriminator(
                config.discriminator,
                CHANNELS + 1,
                width=config.patch_width,
                layers=config.patch_layers,
                encoder=config.encoder,
                decoder_channels=config.decoder_channels,
                detail=config.detail,
            )
            self.judge = to_device(judge, context.device)
        self.optimizers = {
            name: torch.optim.Adam(net.parameters(), lr=config.learning_rate, betas=config.betas)
            for name, net in (("generator", generator), ("judge", self.judge))
        }
        per_epoch = steps_per_epoch(len(images), config.batch)
        self.steps = config.max_steps or (config.epochs + config.decay_epochs) * per_epoch
        self.flat = self.steps * config.epochs // (config.epochs + config.decay_epochs)

    def state(self) -> Mapping[str, state.Stateful]:
        return {
            "generator": self.generator,
            "judge": self.judge,
            **{f"optimizer {name}": optimizer for name, optimizer in self.optimizers.items()},
        }

    def step(self, index: int, rng: np.random.Generator) -> Mapping[str, float]:
        rate = self.config.learning_rate * flat_then_linear(index, self.flat, self.steps - self.flat)
        for optimizer in self.optimizers.values():
            set_rate(optimizer, rate)
        condition, real = self._batch(rng)
        self.generator.train()
        with autocast(self.context.device, self.context.precision):
            fake = self.generator(_with_latent(condition))
        judged = self._update_judge(condition, real, fake)
        return judged | self._update_generator(condition, real, fake)

    def _batch(self, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Pairs, each flipped alike; this process's share of them."""
        images, device = self.images_N1HW, self.context.device
        chosen = rng.choice(len(images), self.config.batch, replace=len(images) < self.config.batch)
        codes = flip_codes(len(chosen), self.context.augmentations, rng)
        own = zip(share(chosen), share(codes), strict=True)
        pairs = [(flip(self.conditions_NCHW[i], int(c)), flip(images[i], int(c))) for i, c in own]
        condition, real = (torch.from_numpy(np.stack(part)).to(device) for part in zip(*pairs, strict=True))
        return condition, real

    def _judge(self, condition: Tensor, image: Tensor) -> Tensor:
        """The judge sees the condition too: it asks whether the image fits *this* mask."""
        h, w = image.shape[-2:]
        with autocast(self.context.device, self.context.precision):
            verdict: Tensor = self.judge(pad_to_multiple(torch.cat([condition, image * 2 - 1], 1), 32))
        return verdict.float()[..., :h, :w]

    def _update_judge(self, condition: Tensor, real: Tensor, fake: Tensor) -> dict[str, float]:
        on_real = self._judge(condition, real)
        on_fake = self._judge(condition, fake.detach().float())
        loss = (verdict_loss(on_real, True) + verdict_loss(on_fake, False)) / 2
        descend(self.optimizers["judge"], loss)
        return {"discriminator": float(loss.detach())}

    def _update_generator(self, condition: Tensor, real: Tensor, fake: Tensor) -> dict[str, float]:
        adversarial = verdict_loss(self._judge(condition, fake.float()), True)
        l1 = (fake.float() - real).abs().mean() * 2  # the paper's images span [-1, 1]
        descend(self.optimizers["generator"], adversarial + self.config.l1_weight * l1)
        return {"adversarial": float(adversarial.detach()), "l1": float(l1.detach())}

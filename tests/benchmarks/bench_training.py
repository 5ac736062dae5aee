"""Training steps: emgen's against textbook loops of the papers, with the same networks, batches and losses.

Textbook: float32, channels first, one optimiser a network, a Dataset with its DataLoader, every pass of a network on
its own, as in the papers' equations (Isola et al. 2017; Zhu et al. 2017; Yuan et al. 2025, Methods).
"""

from __future__ import annotations

import copy
import itertools
import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import segmentation_models_pytorch as smp
import torch
from timing import Comparison, Work
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from emgen.engine.device import pick_precision
from emgen.stages import Context
from emgen.testing.phantoms import phantom_stack
from emgen_cyclegan.config import CycleGanConfig
from emgen_cyclegan.gan import CycleGan
from emgen_cyclegan.gan import _Training as CycleTraining
from emgen_npssegnet.config import NPsSegNetConfig
from emgen_npssegnet.data import augmentations
from emgen_npssegnet.task import NPsSegNet, scaled
from emgen_npssegnet.task import _Training as SegmenterTraining
from emgen_pix2pix.config import Pix2PixConfig
from emgen_pix2pix.gan import CHANNELS, Pix2Pix, _with_latent
from emgen_pix2pix.gan import _Training as PairTraining
from emgen_torchkit.adversarial import verdict_loss

STEPS, CROP, IMAGES = 8, 128, 64


def context() -> Context:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return Context(seed=0, device=device, precision=pick_precision("auto", device))


def phantoms() -> tuple[np.ndarray, np.ndarray]:
    """(N, H, W) images and instances."""
    made = phantom_stack(IMAGES, (CROP, CROP), seed=3, diameter=14.0)
    return np.stack([one.image_HW for one in made]).astype(np.float32), np.stack([one.label_HW for one in made])


def plain(net: nn.Module) -> nn.Module:
    return copy.deepcopy(net).to(memory_format=torch.contiguous_format).train()


class Flipped(Dataset):
    """Arrays (N, C, H, W) of one image each, flipped alike."""

    def __init__(self, *arrays: np.ndarray) -> None:
        self.arrays = arrays

    def __len__(self) -> int:
        return len(self.arrays[0])

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        axes = [axis for axis in (1, 2) if random.random() < 0.5]
        return tuple(torch.from_numpy(np.flip(array[index], axes).copy()) for array in self.arrays)


class Augmented(Dataset):
    def __init__(self, images: np.ndarray, labels: np.ndarray, config: NPsSegNetConfig) -> None:
        self.images, self.labels, self.transform = images, labels, augmentations(config.augment, config.noise)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        out = self.transform(image=self.images[index][..., None], mask=(self.labels[index] > 0).astype(np.uint8))
        image = np.clip(out["image"][..., 0], 0, 1)[None]
        return torch.from_numpy(image), torch.from_numpy(out["mask"].astype(np.int64))


def forever(dataset: Dataset, batch: int) -> Iterator[Any]:
    loader = DataLoader(dataset, batch, shuffle=True, drop_last=True)
    return itertools.chain.from_iterable(itertools.repeat(loader))


def many(step: Callable[[int], object]) -> Callable[[], object]:
    """``STEPS`` more steps each time."""
    count = itertools.count()
    return lambda: [step(next(count)) for _ in range(STEPS)] and None


def ours(trainee: Any) -> Callable[[], object]:
    return many(lambda index: trainee.step(index, np.random.default_rng([0, index])))


def segmenter(config: NPsSegNetConfig) -> Work:
    images, labels = phantoms()
    here = context()
    task = NPsSegNet(config, here)
    task._net = task._build(None)
    trainee = SegmenterTraining(task.net, images, labels, config, here, False)
    net, batches = plain(task.net), forever(Augmented(images, labels, config), config.batch)
    optimizer = torch.optim.AdamW(net.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    focal = smp.losses.FocalLoss("multiclass", alpha=config.focal_alpha)
    jaccard = smp.losses.JaccardLoss("multiclass")

    def step(index: int) -> float:
        image, mask = (part.to(here.device) for part in next(batches))
        logits = net(scaled(image))
        loss = focal(logits, mask) + jaccard(logits, mask)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return Work(rival=many(step), ours=ours(trainee), units=STEPS)


def pairs(config: Pix2PixConfig) -> Work:
    images = phantoms()[0][:, None]
    conditions = np.random.default_rng(0).random((IMAGES, CHANNELS, CROP, CROP), np.float32)
    here = context()
    gan = Pix2Pix(config, here)
    trainee = PairTraining(gan.generator, conditions, images, config, here)
    g, d = plain(gan.generator), plain(trainee.judge)
    batches = forever(Flipped(conditions, images), config.batch)
    g_optimizer, d_optimizer = (
        torch.optim.Adam(net.parameters(), lr=config.learning_rate, betas=config.betas) for net in (g, d)
    )

    def step(index: int) -> float:
        condition, real = (part.to(here.device) for part in next(batches))
        fake = g(_with_latent(condition))
        seen = lambda image: d(torch.cat([condition, image * 2 - 1], 1))
        d_loss = (verdict_loss(seen(real), True) + verdict_loss(seen(fake.detach()), False)) / 2
        d_optimizer.zero_grad()
        d_loss.backward()
        d_optimizer.step()
        g_loss = verdict_loss(seen(fake), True) + config.l1_weight * 2 * (fake - real).abs().mean()
        g_optimizer.zero_grad()
        g_loss.backward()
        g_optimizer.step()
        return d_loss.item() + g_loss.item()

    return Work(rival=many(step), ours=ours(trainee), units=STEPS)


def cycles(config: CycleGanConfig) -> Work:
    images = phantoms()[0]
    here = context()
    gan = CycleGan(config, here)
    trainee = CycleTraining(gan.translator, images, images[::-1].copy(), config, here)
    g, f = plain(trainee.forward), plain(trainee.back)
    d_b, d_a = plain(trainee.judges["target"]), plain(trainee.judges["source"])
    batches_a, batches_b = (forever(Flipped(images[:, None]), config.batch) for _ in range(2))
    adam = {"lr": config.learning_rate, "betas": config.betas}
    optimizer = torch.optim.Adam([*g.parameters(), *f.parameters()], **adam)
    judges = [(d, torch.optim.Adam(d.parameters(), **adam)) for d in (d_a, d_b)]
    l1 = nn.functional.l1_loss

    def step(index: int) -> float:
        (a,), (b,) = next(batches_a), next(batches_b)
        a, b = a.to(here.device) * 2 - 1, b.to(here.device) * 2 - 1
        fake_b, fake_a = g(a), f(b)
        loss = verdict_loss(d_b(fake_b), True) + verdict_loss(d_a(fake_a), True)
        loss = loss + config.cycle_weight * (l1(f(fake_b), a) + l1(g(fake_a), b))
        loss = loss + config.cycle_weight * config.identity_weight * (l1(g(b), b) + l1(f(a), a))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total = loss.item()
        for (d, d_optimizer), real, fake in zip(judges, (a, b), (fake_a, fake_b), strict=True):
            d_loss = (verdict_loss(d(real), True) + verdict_loss(d(fake.detach()), False)) / 2
            d_optimizer.zero_grad()
            d_loss.backward()
            d_optimizer.step()
            total += d_loss.item()
        return total

    return Work(rival=many(step), ours=ours(trainee), units=STEPS)


def data_share() -> Work:
    """Drawing batches alone (ours) beside whole steps (the rival): how long a step waits for its data."""
    images, labels = phantoms()
    here, config = context(), NPsSegNetConfig.model_validate(NPsSegNetConfig.presets["quick"])
    task = NPsSegNet(config, here)
    task._net = task._build(None)
    trainee = SegmenterTraining(task.net, images, labels, config, here, False)

    def draw(index: int) -> object:
        rng = np.random.default_rng([0, index])
        return trainee.batches.draw(rng.choice(trainee.training, config.batch), rng)

    return Work(rival=ours(trainee), ours=many(draw), units=STEPS)


def _row(name: str, prepare: Callable[[], Work], goal: float = 1.3) -> Comparison:
    goal = 2.0 if torch.cuda.is_available() else goal
    return Comparison(name=name, rival="a textbook loop", prepare=lambda folder: prepare(), goal=goal, repeats=7)


def _resnet34() -> NPsSegNetConfig:
    return NPsSegNetConfig(schedule="cosine", max_steps=1000)


def _quick(config: Any) -> Any:
    return config.model_validate(config.presets["quick"])


COMPARISONS = [
    _row("a step of NPsSegNet, quick", lambda: segmenter(_quick(NPsSegNetConfig))),
    _row("a step of NPsSegNet, UNet++ ResNet-34", lambda: segmenter(_resnet34())),
    _row("a step of pix2pix, quick", lambda: pairs(_quick(Pix2PixConfig))),
    _row("a step of CycleGAN, quick", lambda: cycles(_quick(CycleGanConfig))),
    Comparison(
        name="drawing a step's batch",
        rival="that whole step",
        prepare=lambda folder: data_share(),
        goal=4.0,
        repeats=7,
    ),
]

"""NPsSegNet: training and prediction."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import segmentation_models_pytorch as smp
import torch
from torch import Tensor, nn

from emgen.data.tiling import LARGEST_TILE
from emgen.errors import ModelError
from emgen.stages import Context, FloatArray, Precision, Stack
from emgen_npssegnet import fast
from emgen_npssegnet.config import NPsSegNetConfig
from emgen_npssegnet.data import Batches, augmentations, plausible
from emgen_torchkit import parallel, state
from emgen_torchkit.device import autocast, reproducible, to_device
from emgen_torchkit.loop import descend, train
from emgen_torchkit.networks import encoder_decoder
from emgen_torchkit.schedule import set_rate, steps_per_epoch

_BATCH = 16


def scaled(image: Tensor, inverted: bool = False) -> Tensor:
    """[0, 1] -> about zero mean and unit deviation, particles bright."""
    return (0.5 - image if inverted else image - 0.5) / 0.25


class Probability(nn.Module):
    """(B, 1, H, W) in [0, 1] -> (B, H, W) probability of particle, H and W multiples of 32."""

    def __init__(self, net: nn.Module, inverted: bool) -> None:
        super().__init__()
        self.net, self.inverted = net, inverted

    def forward(self, image_B1HW: Tensor) -> Tensor:
        probability_BHW: Tensor = self.net(scaled(image_B1HW, self.inverted)).softmax(1)[:, 1]
        return probability_BHW


class NPsSegNet:
    """Two classes, background and particle, by a network of the UNet family.

    Loss: focal (multiclass, alpha 0.25) + Jaccard; AdamW; StepLR; 4:1 split (paper, Methods). The weights kept are
    those with the lowest validation loss.
    """

    parallel = True

    def __init__(self, config: NPsSegNetConfig, context: Context | None = None) -> None:
        self.config = config
        self.context = context or Context()
        self.device = self.context.device
        self.architecture: dict[str, Any] = {
            "architecture": config.architecture,
            "encoder": config.encoder,
            "decoder_channels": list(config.decoder_channels),
        }
        self.inverted = self.context.polarity == "dark"  # so that weights serve particles of either contrast
        self._net: nn.Module | None = None
        self._compiled: fast.Compiled | None = None
        self._precision: Precision = self.context.precision

    @property
    def net(self) -> nn.Module:
        if self._net is None:
            raise ModelError("npssegnet: neither trained nor loaded yet; call `fit` or `load` first")
        return self._net

    def fit(self, image_NHW: Stack, label_NHW: Stack, context: Context) -> None:
        """(N, H, W) float32 in [0, 1] and (N, H, W) int32; H and W multiples of 32; N at least 2."""
        with reproducible(context.seed):
            self._start(context.start_from)
        trainee = _Training(self.net, image_NHW, label_NHW, self.config, context, self.inverted)
        train(trainee, trainee.steps, context, save=self.save)
        self._net, self._compiled = trainee.best.eval(), None

    def predict(self, image_NHW: Stack) -> FloatArray:
        """(N, H, W) -> (N, H, W) probability; H and W are padded to multiples of 32 inside."""
        return np.concatenate([self._predict(image_NHW[i : i + _BATCH]) for i in range(0, len(image_NHW), _BATCH)])

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        state.save(folder / "weights.safetensors", {"net": self.net})
        facts = {**self.architecture, "inverted": self.inverted}
        (folder / "network.json").write_text(json.dumps(facts, indent=1))

    def export_onnx(self, path: Path) -> None:
        """One file that takes (N, 1, H, W) float32 in [0, 1] of any N, H, W and gives the probability of a particle."""
        from emgen_npssegnet.to_onnx import write

        write(self.net, self.inverted, path)

    def load(self, folder: Path) -> None:
        try:
            self.architecture = json.loads((folder / "network.json").read_text())
            self.inverted = self.architecture.pop("inverted", False)
            self._net = self._build(weights=None)
            state.load(folder / "weights.safetensors", {"net": self._net})
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise ModelError(f"{folder}: no usable npssegnet weights ({error})") from error
        self._net.eval()
        self._compiled = None

    def _start(self, earlier: Path | None) -> None:
        """New weights, those of ``start_from``, or those of a training before this one, which go over both."""
        if earlier is None and self.config.start_from is None:
            self._net = self._build(self.config.encoder_weights)
            return
        from emgen.model import model_folder

        own = self.inverted
        self.load(earlier or model_folder(str(self.config.start_from)))
        self.inverted = own

    def _build(self, weights: str | None) -> nn.Module:
        net = encoder_decoder(**self.architecture, out_channels=2, weights=weights)
        return to_device(net, self.device)

    @property
    def largest_tile(self) -> int:
        """px; a compact network takes a 2048² micrograph in one piece, in 200 MB."""
        return 2 * LARGEST_TILE if self.architecture["architecture"] == "compact" else LARGEST_TILE

    def accelerate(self, precision: str = "auto") -> None:
        """Makes ``predict`` as fast as this machine allows; takes about a second. Training ends it.

        ``precision``: ``float32``, or ``auto``, which is bfloat16 where the processor computes it natively.
        """
        if self.device == "cpu" and fast.available():
            self._compiled = fast.Compiled(self.net, self.inverted, precision)
        elif self.device != "cpu" and precision == "auto":
            self._precision = "bfloat16" if torch.cuda.is_bf16_supported() else "float16"

    def _predict(self, image_BHW: np.ndarray) -> FloatArray:
        h, w = image_BHW.shape[1:]
        x_B1HW = np.ascontiguousarray(image_BHW, np.float32)[:, None]
        if h % 32 or w % 32:
            x_B1HW = np.pad(x_B1HW, ((0, 0), (0, 0), (0, -h % 32), (0, -w % 32)), mode="edge")
        found_BHW = self._compiled(x_B1HW) if self._compiled else self._run(x_B1HW)
        return found_BHW[:, :h, :w]

    def _run(self, image_B1HW: FloatArray) -> FloatArray:
        x_B1HW = torch.from_numpy(image_B1HW).to(self.device).contiguous(memory_format=torch.channels_last)
        with torch.inference_mode(), autocast(self.device, self._precision):
            found_BHW = Probability(self.net, self.inverted).eval()(x_B1HW)
        probability_BHW: FloatArray = found_BHW.float().cpu().numpy()
        return probability_BHW


class _Training:
    """One fit: batches, loss, schedule, the best epoch."""

    def __init__(
        self,
        net: nn.Module,
        images: Stack,
        labels: Stack,
        config: NPsSegNetConfig,
        context: Context,
        inverted: bool,
    ) -> None:
        self.net, self.config, self.context, self.inverted = net, config, context, inverted
        self.best = copy.deepcopy(net)
        self.best_loss = torch.tensor(math.inf)
        self.batches = Batches(images, labels, augmentations(plausible(config.augment, context), config.noise))
        self.still = Batches(images, labels, augmentations((), config.noise))
        order = np.random.default_rng(context.seed).permutation(len(images))
        held = min(max(1, round(len(images) * config.validation)), len(images) - 1)
        self.validation, self.training = order[:held], order[held:]
        self.per_epoch = steps_per_epoch(len(self.training), config.batch)
        self.steps = config.max_steps or config.epochs * self.per_epoch
        self.optimizer = torch.optim.AdamW(net.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
        self.focal = smp.losses.FocalLoss("multiclass", alpha=config.focal_alpha)
        self.jaccard = smp.losses.JaccardLoss("multiclass")

    def state(self) -> Mapping[str, state.Stateful]:
        return {"net": self.net, "best": self.best, "best_loss": self.best_loss, "optimizer": self.optimizer}

    def step(self, index: int, rng: np.random.Generator) -> Mapping[str, float]:
        set_rate(self.optimizer, self._rate(index))
        self.net.train()
        chosen = rng.choice(self.training, self.config.batch, replace=len(self.training) < self.config.batch)
        loss = self._loss(*self.batches.draw(parallel.share(chosen), parallel.own(rng)))
        descend(self.optimizer, loss, clip=5.0)
        losses = {"loss": float(loss.detach())}
        if (index + 1) % max(self.per_epoch, self.steps // 20) == 0 or index == self.steps - 1:
            losses |= self._validate()
        return losses

    def _rate(self, index: int) -> float:
        c = self.config
        top = c.learning_rate * (c.start_rate if c.start_from or self.context.start_from else 1.0)
        if c.schedule == "cosine":
            warm = min(1.0, (index + 1) / max(1, self.steps // 20))
            return top * warm * 0.5 * (1 + math.cos(math.pi * index / self.steps))
        return top * c.step_gamma ** (index // self.per_epoch // c.step_epochs)

    def _loss(self, image_B1HW: FloatArray, class_BHW: np.ndarray) -> Tensor:
        device = self.context.device
        x = scaled(torch.from_numpy(image_B1HW), self.inverted).to(device, memory_format=torch.channels_last)
        y = torch.from_numpy(class_BHW).to(device)
        with autocast(device, self.context.precision):
            logits = self.net(x).float()
        return self.focal(logits, y) + self.jaccard(logits, y)

    def _validate(self) -> dict[str, float]:
        """Mean loss on (at most 64 of) the validation images; keeps the weights when it is the lowest so far."""
        parallel.average_buffers([self.net])  # so that every process finds the same loss
        self.net.eval()
        rng = np.random.default_rng(0)
        parts = [self.validation[i : i + _BATCH] for i in range(0, min(64, len(self.validation)), _BATCH)]
        with torch.inference_mode():
            found = float(np.mean([float(self._loss(*self.still.draw(part, rng))) for part in parts]))
        loss = parallel.mean({"loss": found})["loss"]
        if loss < float(self.best_loss):
            self.best_loss.fill_(loss)
            self.best.load_state_dict(self.net.state_dict())
        return {"validation loss": loss}

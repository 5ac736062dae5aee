"""Several processes in one training: each computes its share of every batch, and every step ends with equal networks.

All processes draw the same batch from the same random numbers, and each takes its share of it; gradients are averaged
before an optimiser moves. That is the training of one process that adds up the shares' gradients. Batch normalisation
sees a share, not the batch; its running statistics are averaged before anything looks at the networks.

Outside ``together`` there is one process, and every function here hands back what it was given.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from typing import Any, TypeVar

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from emgen.errors import LostProcessError, TrainingError

T = TypeVar("T", Tensor, np.ndarray)
_PATIENCE = timedelta(hours=1)
"""How long a process waits for one that lives but does not answer, such as the first one while it judges a state."""


class Peers:
    """This process and those beside it: what they tell each other. One that died is a ``LostProcessError``."""

    def __init__(self, rank: int = 0, world: int = 1) -> None:
        self.rank, self.world = rank, world

    def add_up(self, tensor: Tensor) -> None:
        """Puts the sum over all processes in the tensor's place."""
        with _noticing():
            dist.all_reduce(tensor, group=_group(tensor))

    def hear_first(self, tensor: Tensor) -> None:
        """Puts the first process's tensor in the place of every other's."""
        with _noticing():
            dist.broadcast(tensor, 0, group=_group(tensor))

    def gather(self, tensor: Tensor) -> list[Tensor]:
        """The tensors of all processes, which have one shape."""
        parts = [torch.empty_like(tensor) for _ in range(self.world)]
        with _noticing():
            dist.all_gather(parts, tensor, group=_group(tensor))
        return parts


_here = Peers()


@contextmanager
def together(peers: Peers) -> Iterator[None]:
    """Inside the block the functions below speak to these processes."""
    global _here
    before, _here = _here, peers
    try:
        yield
    finally:
        _here = before


def world() -> int:
    """How many processes share a batch."""
    return _here.world


def share(batch: T) -> T:
    """This process's part of a batch (B, …): B / world of them. Raises ``TrainingError`` where that is not whole."""
    if len(batch) % _here.world:
        raise TrainingError(
            f"a batch of {len(batch)} cannot be shared evenly by {_here.world} processes. Set `batch` to a multiple of "
            f"{_here.world}, or start fewer processes."
        )
    size = len(batch) // _here.world
    return batch[_here.rank * size : (_here.rank + 1) * size]


def gather(part: Tensor) -> Tensor:
    """The whole batch (B, …) out of every process's share, in order; what ``share`` undoes."""
    return part if _here.world == 1 else torch.cat(_here.gather(part.contiguous()))


def own(rng: np.random.Generator) -> np.random.Generator:
    """Random numbers that no other process draws: ``rng`` itself in the first, a child of it in each other."""
    return rng.spawn(_here.rank)[-1] if _here.rank else rng


def average_gradients(optimizer: torch.optim.Optimizer) -> None:
    """Of all parameters that the optimiser moves and that have a gradient."""
    found = (parameter.grad for group in optimizer.param_groups for parameter in group["params"])
    _average([gradient for gradient in found if gradient is not None])


def average_buffers(parts: Iterable[Any]) -> None:
    """Of the modules among ``parts``: running statistics of batch normalisation. Averaging often changes nothing."""
    modules = [part for part in parts if isinstance(part, nn.Module)]
    _average([buffer for module in modules for buffer in module.buffers() if buffer.is_floating_point()])


def begin_alike(parts: Iterable[Any]) -> None:
    """Gives the modules among ``parts`` the first process's parameters and buffers."""
    if _here.world > 1:
        for module in (part for part in parts if isinstance(part, nn.Module)):
            for tensor in module.state_dict().values():
                whole = tensor.contiguous()
                _here.hear_first(whole)
                tensor.copy_(whole)


def mean(losses: Mapping[str, float]) -> Mapping[str, float]:
    """The losses of the whole batch out of those of the shares; one that is not finite is so in every process."""
    if _here.world == 1:
        return losses
    total = torch.tensor(list(losses.values()), dtype=torch.float64)
    _here.add_up(total)
    return dict(zip(losses, (total / _here.world).tolist(), strict=True))


def first(*answers: bool) -> list[bool]:
    """The first process's answers, in all of them."""
    if _here.world == 1:
        return list(answers)
    told = torch.tensor(answers, dtype=torch.uint8)
    _here.hear_first(told)
    return [bool(answer) for answer in told]


def require_same(step: int) -> None:
    """Raises ``TrainingError`` in all processes unless all begin at one step."""
    if _here.world == 1:
        return
    steps = [int(other) for other in gather(torch.tensor([step]))]
    if len(set(steps)) > 1:
        raise TrainingError(
            f"the processes found different checkpoints (steps {', '.join(map(str, steps))}). The run folder, and the "
            "store of artifacts, must lie on a disk that all of them see."
        )


def _average(tensors: list[Tensor]) -> None:
    """In place, as one message for each kind of tensor."""
    if _here.world == 1:
        return
    kinds: dict[tuple[torch.device, torch.dtype], list[Tensor]] = {}
    for tensor in tensors:
        kinds.setdefault((tensor.device, tensor.dtype), []).append(tensor)
    for alike in kinds.values():
        flat = torch.cat([tensor.detach().reshape(-1) for tensor in alike])
        _here.add_up(flat)
        flat /= _here.world
        for tensor, part in zip(alike, flat.split([tensor.numel() for tensor in alike]), strict=True):
            tensor.detach().copy_(part.view(tensor.shape))


def _group(tensor: Tensor) -> Any:
    """GPUs speak by the group that the launch has made, all else by one on the CPU."""
    on_cpu = _cpu_group()  # made by all processes alike, whatever they send first
    return None if tensor.is_cuda else on_cpu


@cache
def _cpu_group() -> Any:
    return dist.new_group(backend="gloo", timeout=_PATIENCE)


@contextmanager
def _noticing() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:  # of any backend
        raise LostProcessError(
            f"another process of this training has stopped or does not answer ({str(error).splitlines()[0]}). Where it "
            "said why, that is the cause; start all processes again to resume."
        ) from error

"""Several processes for one run: the first runs it; the others help where a training can be shared, and write nothing.

Launchers (Accelerate, torchrun, MPI) start one command many times and say so in the environment. Accelerate connects
the processes. The core imports no torch, so both are looked up by name, and only where there are several processes.
"""

from __future__ import annotations

import importlib
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from emgen.artifacts import StackRef
from emgen.errors import EmgenError, Interrupted, LostProcessError, PreflightError, StageFailedError, TrainingError
from emgen.registration import Kind, StageConfig
from emgen.stages import Context

if TYPE_CHECKING:
    from emgen.engine.bench import Chosen
    from emgen.host import Host
    from emgen.spec import Spec

SIZES = ("WORLD_SIZE", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE")
"""Where launchers say how many processes they start."""
_TOLD = ("seed", "device", "precision", "polarity", "augmentations", "scratch", "snapshots", "start_from")
"""What of a context all processes share; what it calls is the first one's alone."""
_AS_LONG_AS_IT_TAKES = timedelta(days=30)
"""The others wait for the first through all that is no training; they notice at once when it dies."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """A training to share: the stage, its settings, what it is fitted on, what it may know."""

    kind: Kind
    plugin: str
    config: StageConfig
    stacks: tuple[StackRef, ...]
    context: Mapping[str, Any]


class Crew:
    """The processes of a run as one of them sees them; by default it is alone."""

    def __init__(self, rank: int = 0, world: int = 1, channel: Any = None) -> None:
        self.rank, self.world, self._channel = rank, world, channel
        self._training = False

    def require_shares(self, spec: Spec, host: Host) -> None:
        """Raises ``PreflightError`` where a batch cannot be shared evenly."""
        from emgen.spec.slots import plugin_config

        for slot, value in spec.stages().items():
            batch = getattr(plugin_config(value), "batch", 0)
            registered = host.find(cast(Kind, slot), value.uses)  # slots are named like their kind
            if batch % self.world and can_share(registered.load()):
                raise PreflightError(
                    f"{slot}.batch: {batch} images cannot be shared evenly by {self.world} processes. Set it to a "
                    f"multiple of {self.world}, or start fewer processes."
                )

    def fit(self, chosen: Chosen, stacks: Sequence[StackRef], context: Context) -> Any:
        """The stage fitted on the stacks, by all processes where it can be shared."""
        if self.world == 1 or not can_share(chosen.registered.load()):
            return fitted(chosen.registered.create(chosen.config, context), stacks, context)
        told = {name: getattr(context, name) for name in _TOLD}
        kind, name = chosen.registered.kind, chosen.plugin.name
        self._say(Order(kind=kind, plugin=name, config=chosen.config, stacks=tuple(stacks), context=told))
        self._training = True
        shared = replace(context, rank=0, world=self.world)
        stage = fitted(chosen.registered.create(chosen.config, shared), stacks, shared)
        self._training = False
        return stage

    def assist(self, host: Host) -> None:
        """Takes part in every training of the first process, until that dismisses this one."""
        while (order := self._hear()) is not None:
            registered = host.find(order.kind, order.plugin)
            context = Context(**order.context, rank=self.rank, world=self.world)
            self._training = True
            try:
                fitted(registered.create(order.config, context), order.stacks, context)
            except (Interrupted, TrainingError):
                return  # all processes raise these at once, and the first tells of them
            self._training = False

    def leave(self) -> None:
        """Ends the others' waiting. In the middle of a training they do not listen, and end with this process."""
        if self.world == 1 or self._training:
            return
        if self.rank == 0:
            self._say(None)
        _distributed().destroy_process_group()

    def _say(self, order: Order | None) -> None:
        _distributed().broadcast_object_list([order], src=0, group=self._channel)

    def _hear(self) -> Order | None:
        heard: list[Order | None] = [None]
        try:
            _distributed().broadcast_object_list(heard, src=0, group=self._channel)
        except RuntimeError as error:
            raise LostProcessError("the first process has stopped; what it said is the cause") from error
        return heard[0]


def can_share(factory: Any) -> bool:
    """Whether what a plugin's ``create`` names says that several processes may fit it."""
    return bool(getattr(factory, "parallel", False))


def fitted(stage: Any, stacks: Sequence[StackRef], context: Context) -> Any:
    stage.fit(*[ref.open() for ref in stacks], context)
    return stage


def launched() -> int:
    """How many processes this command was started as."""
    return max(int(os.environ.get(name) or 1) for name in SIZES)


@contextmanager
def crew() -> Iterator[Crew]:
    """The processes that this command was started as, connected; ``PreflightError`` where they cannot be.

    An error of the first process ends the others too.
    """
    if launched() == 1:
        yield Crew()
        return
    made = _connected()
    try:
        yield made
    except (EmgenError, SystemExit) as error:
        if made.rank == 0:
            made.leave()
            raise
        raise StageFailedError(f"process {made.rank + 1} of {made.world}: {error}") from error
    made.leave()


def _connected() -> Crew:
    try:
        accelerate = importlib.import_module("accelerate")
    except ImportError as error:
        raise PreflightError(
            f"started as one of {launched()} processes, which need Accelerate: pip install 'emgen[gpus]'"
        ) from error
    state = accelerate.PartialState(cpu=not importlib.import_module("torch").cuda.is_available())
    made = Crew(
        state.process_index,
        state.num_processes,
        _distributed().new_group(backend="gloo", timeout=_AS_LONG_AS_IT_TAKES),
    )
    if made.rank:  # the first process decides when to stop, and tells the others
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
    return made


def _distributed() -> Any:
    return importlib.import_module("torch.distributed")

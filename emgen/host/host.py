"""The host: what is installed, by kind and name; what is broken, and why; the observers of a run."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from functools import lru_cache
from typing import Any, TypeVar

import pluggy

from emgen.errors import PluginError, UnknownPluginError, did_you_mean, listing
from emgen.host.discovery import Candidate, discover
from emgen.host.kinds import KINDS
from emgen.host.records import Observer, PluginFailure, Registered, cause
from emgen.host.selection import Selection
from emgen.host.transaction import load, new_manager
from emgen.registration import Kind, StageConfig

log = logging.getLogger(__name__)
_Self = TypeVar("_Self", bound="Host")
_REGISTERING = {info.hook for info in KINDS.values()}
"""The hooks that return plugins; a module with any other one is an observer."""


class Host:
    """Answers by kind and name. Filled once, then only read. ``observing``: the modules that are told of runs.

    >>> from emgen.testing import fakes
    >>> host = Host.from_modules([fakes])
    >>> list(host.plugins("downstream_task"))
    ['fake-task']
    """

    def __init__(self, selection: Selection = Selection()) -> None:  # noqa: B008 (frozen)
        self.selection = selection
        self.failures: list[PluginFailure] = []
        self.observing: list[Observer] = []
        self._plugins: dict[tuple[Kind, str], Registered] = {}
        self._whole: Host | None = None
        self._manager = new_manager()
        self._quiet: set[tuple[str, str]] = set()

    @classmethod
    def from_modules(cls: type[_Self], modules: Iterable[object], *, strict: bool = True) -> _Self:
        """A host of imported modules, or any objects with hook implementations, and of nothing that is installed.

        For tests and notebooks. ``strict``: a broken one raises ``PluginError`` instead of being recorded.
        """
        host = cls(Selection(strict=strict))
        host.add(_local(module) for module in modules)
        return host

    def add(self, candidates: Iterable[Candidate], failures: Iterable[PluginFailure] = ()) -> None:
        """Load candidates in their order, each as a transaction."""
        for failure in failures:
            self._record(failure)
        for candidate in candidates:
            outcome = load(candidate, self._plugins)
            if isinstance(outcome, PluginFailure):
                self._record(outcome)
                continue
            module, registered = outcome
            self._plugins |= {(item.kind, item.plugin.name): item for item in registered}
            if not self._manager.is_registered(module):
                self._manager.register(module)
                self._observe(module, candidate)

    def plugins(self, kind: Kind) -> dict[str, Registered]:
        """The plugins of a kind by name, sorted."""
        return {name: item for (of, name), item in sorted(self._plugins.items()) if of == kind}

    def find(self, kind: Kind, name: str) -> Registered:
        """The plugin of that kind and name. Raises ``UnknownPluginError`` saying what there is, and what is broken."""
        try:
            return self._plugins[kind, name]
        except KeyError:
            raise UnknownPluginError(self._explain(kind, name)) from None

    def reading_by(self, name: str, settings: StageConfig | None = None) -> Host:
        """A host whose only reader is the one of that name, with these settings: what ``data.reader`` of a spec asks
        for. ``whole`` has all of them. Raises ``UnknownPluginError``."""
        chosen = copy(self)
        others = {key: item for key, item in self._plugins.items() if key[0] != "reader"}
        chosen._plugins = others | {("reader", name): replace(self.find("reader", name), settings=settings)}
        chosen._whole = self.whole
        return chosen

    @property
    def whole(self) -> Host:
        """This host with every reader: masks are no micrographs, and are read by whatever opens them."""
        return self._whole or self

    def _observe(self, module: object, candidate: Candidate) -> None:
        callers = self._manager.get_hookcallers(module) or []
        hooks = tuple(sorted(caller.name for caller in callers if caller.name not in _REGISTERING))
        if hooks:
            origin = candidate.distribution, candidate.version, candidate.module
            self.observing.append(Observer(*origin, hooks, module))

    @property
    def observers(self) -> pluggy.HookRelay:
        """Pluggy's relay over every loaded module. ``notify`` is the safe way to call it."""
        return self._manager.hook

    def notify(self, hook: str, **values: Any) -> None:
        """Tell the observers. One that fails is logged (once per plugin and hook) and the others are still told."""
        # Not through the relay: there the first exception would keep the other observers from being told.
        for impl in reversed(getattr(self._manager.hook, hook).get_hookimpls()):
            try:
                impl.function(*(values[name] for name in impl.argnames))
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                key = (impl.plugin_name, hook)
                level = logging.DEBUG if key in self._quiet else logging.WARNING
                self._quiet.add(key)
                log.log(level, "observer %s failed in %s and is ignored: %s", impl.plugin_name, hook, cause(error))

    def _record(self, failure: PluginFailure) -> None:
        if self.selection.strict:
            raise PluginError(str(failure))
        self.failures.append(failure)

    def _explain(self, kind: Kind, name: str) -> str:
        names = self.plugins(kind)
        text = f'{kind}: there is no {KINDS[kind].title} "{name}".{did_you_mean(name, names)}'
        text += f" Installed: {listing(names)}."
        elsewhere = [KINDS[of].title for of, other in self._plugins if other == name]
        if elsewhere:
            text += f' "{name}" is a {listing(elsewhere)}.'
        if not self.selection.third_party:
            text += " Third-party plugins are off (--no-plugins)."
        elif self.selection.only is not None:
            text += f" EMGEN_PLUGINS allows only emgen's own and {listing(self.selection.only)}."
        return text + "".join(f"\nInstalled but broken, may hold it: {failure}" for failure in self.failures)


_override: Host | None = None


def load_host() -> Host:
    """The plugins installed here, loaded once per process.

    Honours ``--no-plugins``, ``EMGEN_PLUGINS`` and ``EMGEN_STRICT_PLUGINS`` (then raises ``PluginError`` on a failure).
    """
    return _override or _installed(Selection.current(), tuple(sys.path))


@contextmanager
def use_host(host: Host) -> Iterator[Host]:
    """``load_host()`` returns this host until the end of the block. For tests and embedding."""
    global _override
    before, _override = _override, host
    try:
        yield host
    finally:
        _override = before


@lru_cache(maxsize=8)
def _installed(selection: Selection, path: tuple[str, ...]) -> Host:
    """Cached by sys.path too: what is installed depends on it."""
    host = Host(selection)
    host.add(*discover(selection))
    return host


def _local(module: object) -> Candidate:
    """A thing in memory as a candidate; it counts as editable, since its source may change at any time."""
    name = getattr(module, "__name__", None) or type(module).__module__
    return Candidate(distribution=name, version="local", module=name, editable=True, load=lambda: module)

"""Load one plugin module: all of what it registers is committed, or nothing and a failure is recorded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pluggy

from emgen import hookspecs
from emgen.errors import PluginError, did_you_mean, listing
from emgen.host.discovery import Candidate
from emgen.host.kinds import KINDS
from emgen.host.records import PluginFailure, Registered, cause
from emgen.host.validation import validate
from emgen.registration import AnyPlugin, Kind

Taken = Mapping[tuple[Kind, str], Registered]


def new_manager() -> pluggy.PluginManager:
    """A plugin manager that knows emgen's hooks and holds no plugin."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    return manager


def load(candidate: Candidate, taken: Taken) -> tuple[object, list[Registered]] | PluginFailure:
    """The imported module and its plugins, or the failure. Only ``KeyboardInterrupt`` passes through."""
    phase = "import"
    try:
        module = candidate.load()
        phase = "register"
        manager = _register(module)
        phase = "hooks"
        returned = [(kind, item) for kind in KINDS for item in _call(manager, kind)]
        phase = "validate"
        plugins = [(kind, validate(kind, item)) for kind, item in returned]
        phase = "names"
        return module, _claim(plugins, candidate, taken)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit too: no plugin may end the program that lists it
        return PluginFailure(candidate.distribution, candidate.version, candidate.module, phase, cause(error))


def _register(module: object) -> pluggy.PluginManager:
    """The module alone in a scratch manager. Raises ``PluginError`` for hooks that emgen does not have."""
    manager = new_manager()
    manager.register(module)
    callers = manager.get_hookcallers(module) or []
    known = [name for name in vars(hookspecs) if name.startswith("emgen_")]
    for caller in callers:
        if not caller.has_spec():
            hint = did_you_mean(caller.name, known)
            raise PluginError(f'it implements the hook "{caller.name}", which emgen does not have.{hint}')
        if any(impl.wrapper or impl.hookwrapper for impl in caller.get_hookimpls()):
            raise PluginError(f'"{caller.name}" is a hook wrapper; emgen calls plain hooks only')
    if not callers:
        raise PluginError(f"it implements no hook. Mark functions with @emgen.hookimpl; the hooks are {listing(known)}")
    return manager


def _call(manager: pluggy.PluginManager, kind: Kind) -> list[Any]:
    """What the module returns for a kind; generators are run to their end here, inside the transaction."""
    hook = KINDS[kind].hook
    items: list[Any] = []
    for impl in getattr(manager.hook, hook).get_hookimpls():
        returned = impl.function()
        if isinstance(returned, str) or not isinstance(returned, Iterable):
            raise PluginError(f"{hook} returned {returned!r}, it must return a list of plugins")
        items += returned
    return items


def _claim(plugins: list[tuple[Kind, AnyPlugin]], candidate: Candidate, taken: Taken) -> list[Registered]:
    own: dict[tuple[Kind, str], Registered] = {}
    where = (candidate.distribution, candidate.version, candidate.module, candidate.editable)
    for kind, plugin in plugins:
        holder = taken.get((kind, plugin.name)) or own.get((kind, plugin.name))
        if holder:
            raise PluginError(
                f'the {KINDS[kind].title} "{plugin.name}" of {candidate.distribution} {candidate.version} is already '
                f"registered by {holder.distribution} {holder.version} ({holder.module}). "
                f"Uninstall one of the two, or leave one out with EMGEN_PLUGINS."
            )
        own[kind, plugin.name] = Registered(plugin, *where, kind)
    return list(own.values())

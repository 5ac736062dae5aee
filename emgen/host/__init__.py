"""Find plugins, isolate their failures, answer by name.

``load_host()`` is what installed distributions offer; ``Host.from_modules`` is a host of modules in memory, for tests.
"""

from emgen.host.host import Host, load_host, use_host
from emgen.host.imports import resolve
from emgen.host.kinds import KINDS, KindInfo
from emgen.host.records import Observer, PluginFailure, Registered
from emgen.host.selection import Selection, without_plugins

__all__ = [
    "KINDS",
    "Host",
    "KindInfo",
    "Observer",
    "PluginFailure",
    "Registered",
    "Selection",
    "load_host",
    "resolve",
    "use_host",
    "without_plugins",
]

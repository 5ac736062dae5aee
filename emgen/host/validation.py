"""Check what a registration hook returned. Every refusal says which field of which plugin, and what it must be."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, get_args

from emgen.errors import PluginError, listing
from emgen.host.imports import is_target
from emgen.host.kinds import KINDS
from emgen.registration import (
    AUGMENTATIONS,
    AnyPlugin,
    Kind,
    MetricPlugin,
    ModalityPlugin,
    ReaderPlugin,
    Signature,
    StageConfig,
    StagePlugin,
)
from emgen.terms import Need, Polarity

KEBAB = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def is_kebab(name: object) -> bool:
    """
    >>> is_kebab("fitted-particles"), is_kebab("FittedParticles")
    (True, False)
    """
    return isinstance(name, str) and KEBAB.fullmatch(name) is not None


def validate(kind: Kind, plugin: Any) -> AnyPlugin:
    """``plugin`` if it is a well-formed plugin of that kind. Raises ``PluginError``."""
    wanted = KINDS[kind].plugin_type
    # A MetricPlugin is a StagePlugin too, but has no place in another slot.
    if not isinstance(plugin, wanted) or (isinstance(plugin, MetricPlugin) and kind != "metric"):
        raise PluginError(f"{KINDS[kind].hook} returned {plugin!r}, which is not a {wanted.__name__}")
    if not is_kebab(plugin.name):
        raise PluginError(f"{KINDS[kind].hook}: the name {plugin.name!r} is not in kebab-case, like my-plugin")
    if isinstance(plugin, StagePlugin):
        _stage(plugin)
    elif isinstance(plugin, ReaderPlugin):
        _reader(plugin)
    else:
        _modality(plugin)
    if not isinstance(plugin.summary, str) or "\n" in plugin.summary:
        raise _refusal(plugin, "summary", plugin.summary, "one line of text")
    return plugin


def _config(plugin: StagePlugin | ReaderPlugin, config: object) -> None:
    if not (isinstance(config, type) and issubclass(config, StageConfig)):
        raise _refusal(plugin, "config", config, "a subclass of emgen.registration.StageConfig")
    if "uses" in config.model_fields:
        raise PluginError(f'plugin "{plugin.name}": its config has a field "uses", which a spec needs for the name')


def _stage(plugin: StagePlugin) -> None:
    _config(plugin, plugin.config)
    _target(plugin, "create", plugin.create)
    if plugin.preflight is not None:
        _target(plugin, "preflight", plugin.preflight)
    if type(plugin.revision) is not int or plugin.revision < 1:
        raise _refusal(plugin, "revision", plugin.revision, "an integer of at least 1")
    if plugin.simulated_weights == "config" and not hasattr(plugin.config, "uses_simulated_weights"):
        raise PluginError(f'plugin "{plugin.name}": its config lacks the method uses_simulated_weights()')
    if isinstance(plugin, MetricPlugin):
        _metric(plugin)


def _metric(plugin: MetricPlugin) -> None:
    if plugin.needs not in get_args(Need):
        raise _refusal(plugin, "needs", plugin.needs, f"one of {listing(get_args(Need))}")
    if plugin.headline is None:
        if plugin.better is not None:
            raise _refusal(plugin, "better", plugin.better, "None where there is no headline")
        return
    if not isinstance(plugin.headline, str) or not plugin.headline:
        raise _refusal(plugin, "headline", plugin.headline, "the key of a score that compute returns, or None")
    if plugin.better not in ("lower", "higher"):
        raise _refusal(plugin, "better", plugin.better, 'beside a headline "lower" or "higher"')


def _reader(plugin: ReaderPlugin) -> None:
    _target(plugin, "create", plugin.create)
    if plugin.config is not None:
        _config(plugin, plugin.config)
    good = isinstance(plugin.suffixes, tuple) and all(re.fullmatch(r"\.[^A-Z\s]+", str(s)) for s in plugin.suffixes)
    if not plugin.suffixes or not good:
        raise _refusal(plugin, "suffixes", plugin.suffixes, 'a tuple of lower-case suffixes like (".tif", ".tiff")')
    if not isinstance(plugin.signatures, tuple) or not all(isinstance(s, Signature) for s in plugin.signatures):
        raise _refusal(plugin, "signatures", plugin.signatures, "a tuple of emgen.registration.Signature")
    if not isinstance(plugin.suggests, Mapping) or not all(str(s).startswith(".") for s in plugin.suggests):
        raise _refusal(plugin, "suggests", plugin.suggests, 'suffixes with a distribution each, like {".blo": "x"}')


def _modality(plugin: ModalityPlugin) -> None:
    _target(plugin, "normalise", plugin.normalise)
    if plugin.polarity not in get_args(Polarity):
        raise _refusal(plugin, "polarity", plugin.polarity, f"one of {listing(get_args(Polarity))}")
    if not set(plugin.augmentations) <= set(AUGMENTATIONS):
        raise _refusal(plugin, "augmentations", plugin.augmentations, f"some of {listing(AUGMENTATIONS)}")


def _target(plugin: AnyPlugin, field: str, value: object) -> None:
    if not is_target(value):
        raise _refusal(plugin, field, value, 'of the form "package.module:attribute"')


def _refusal(plugin: AnyPlugin, field: str, value: object, wanted: str) -> PluginError:
    return PluginError(f'plugin "{plugin.name}": {field} is {value!r}, it must be {wanted}')

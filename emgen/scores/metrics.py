"""Metrics by name, made ready to compute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from emgen.errors import SpecError, listing
from emgen.host import Host, Registered
from emgen.registration import MetricPlugin, StageConfig
from emgen.spec.overrides import parse_override
from emgen.stages import Metric, MetricContext, Need

Result = Mapping[str, float | str]


@dataclass(frozen=True)
class Chosen:
    """An installed metric with its settings."""

    registered: Registered
    plugin: MetricPlugin
    config: StageConfig

    def preflight(self, device: str) -> None:
        """Raises ``PreflightError`` where something that it needs is missing."""
        self.registered.preflight(self.config, device)

    def make(self, device: str) -> Metric:
        metric: Metric = self.registered.create(self.config, MetricContext(device=device))
        return metric


def installed(host: Host, *needs: Need) -> list[str]:
    """Names of the metrics that compare this."""
    return [name for name, found in host.plugins("metric").items() if _plugin(found).needs in needs]


def choose(
    host: Host, names: Sequence[str], settings: Sequence[str], needs: Sequence[Need], way_out: str
) -> list[Chosen]:
    """The metrics ``names``. ``settings``: texts such as ``fid.weights=/path``.

    Raises ``UnknownPluginError``; ``SpecError`` for a metric that compares something else, or a wrong setting.
    """
    values = _parsed(settings, names)
    chosen = []
    for name in dict.fromkeys(names):
        registered = host.find("metric", name)
        plugin = _plugin(registered)
        if plugin.needs not in needs:
            raise SpecError(f'metric "{name}" compares {plugin.needs.replace("-", " ")}; {way_out}')
        chosen.append(Chosen(registered, plugin, _config(plugin, values.get(name, {}))))
    return chosen


def _plugin(registered: Registered) -> MetricPlugin:
    assert isinstance(registered.plugin, MetricPlugin)
    return registered.plugin


def _config(plugin: MetricPlugin, values: Mapping[str, Any]) -> StageConfig:
    try:
        return plugin.config(**values)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        known = listing(plugin.config.model_fields)
        raise SpecError(f"{plugin.name}.{field}: {first['msg']}. Settings of {plugin.name}: {known}.") from error


def _parsed(settings: Sequence[str], names: Sequence[str]) -> dict[str, dict[str, Any]]:
    values: dict[str, dict[str, Any]] = {}
    for override in map(parse_override, settings):
        if len(override.path) != 2:
            raise SpecError(f"--set {override.text}: write METRIC.FIELD=VALUE, e.g. fid.weights=/path/to/weights.pth.")
        name, field = override.path
        if name not in names:
            raise SpecError(f"--set {override.text}: the metrics to compute are {listing(names)}, not {name}.")
        values.setdefault(name, {})[field] = override.value
    return values

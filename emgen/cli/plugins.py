"""``emgen plugins list | show | check | new``."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from emgen import __version__
from emgen.errors import UnknownPluginError, did_you_mean, listing
from emgen.host import KINDS, Host, Observer, PluginFailure, Registered, load_host
from emgen.registration import Kind, MetricPlugin, ReaderPlugin, StageConfig, StagePlugin


@click.group("plugins")
def command() -> None:
    """What is installed, what is broken; check or start a plugin."""


def every(host: Host) -> list[Registered]:
    """All plugins, by kind in the order of the tandem, then by name."""
    return [item for kind in KINDS for item in host.plugins(kind).values()]


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable, on standard output.")
def list_plugins(as_json: bool) -> None:
    """List the installed plugins by kind, and those that are broken with the cause."""
    host = load_host()
    if as_json:
        document = {
            "emgen": __version__,
            "plugins": [_record(item) for item in every(host)],
            "observers": [_observer_record(item) for item in host.observing],
            "failures": [asdict(failure) for failure in host.failures],
        }
        click.echo(json.dumps(document, indent=2))
        return
    items = every(host)
    name_width = max((len(item.plugin.name) for item in items), default=0)
    origin_width = max((len(_origin(item)) for item in items), default=0)
    for kind, info in KINDS.items():
        click.echo(click.style(info.plural[0].upper() + info.plural[1:], bold=True))
        for item in host.plugins(kind).values():
            summary = item.plugin.summary
            click.echo(f"  {item.plugin.name:{name_width}}  {_origin(item):{origin_width}}  {summary}")
        if not host.plugins(kind):
            click.echo("  (none)")
    if host.observing:
        click.echo(click.style("Observers", bold=True))
        for observer in host.observing:
            click.echo(f"  {_names(observer)[-1]:{name_width}}  {_origin(observer):{origin_width}}  is told of runs")
    if host.failures:
        click.echo(click.style(f"Broken ({len(host.failures)})", bold=True, fg="red"))
        for failure in host.failures:
            click.echo(f"  {failure}")


def _origin(item: Registered | Observer) -> str:
    return f"{item.distribution} {item.version}"


def _observer_record(item: Observer) -> dict[str, Any]:
    origin = {"distribution": item.distribution, "version": item.version, "module": item.module}
    return {**origin, "hooks": list(item.hooks)}


def _record(item: Registered) -> dict[str, Any]:
    """What a program wants to know of a plugin."""
    return {
        "kind": item.kind,
        "name": item.plugin.name,
        "summary": item.plugin.summary,
        "distribution": item.distribution,
        "version": item.version,
        "module": item.module,
        "editable": item.editable,
        "target": item.target,
    }


@command.command("show")
@click.argument("name")
def show(name: str) -> None:
    """Show a plugin's settings. NAME as a spec writes it, or KIND/NAME, e.g. contrast_gan/cyclegan."""
    for i, item in enumerate(_named(load_host(), name)):
        if i:
            click.echo()
        click.echo(click.style(f"{item.kind}/{item.plugin.name}", bold=True) + f"  {item.plugin.summary}")
        click.echo(f"  from        {_origin(item)} ({item.module}){', editable' if item.editable else ''}")
        click.echo(f"  implemented {item.target}")
        if isinstance(item.plugin, StagePlugin):
            _show_stage(item.plugin)
        else:
            _show_fields(item.plugin)
            if isinstance(item.plugin, ReaderPlugin) and item.plugin.config is not None:
                _show_settings(item.plugin.config)


def _show_stage(plugin: StagePlugin) -> None:
    if isinstance(plugin, MetricPlugin):
        click.echo(f"  needs       {plugin.needs}" + (f", downloads {plugin.downloads}" if plugin.downloads else ""))
    _show_settings(plugin.config)


def _show_settings(config: type[StageConfig]) -> None:
    click.echo("  settings" if config.model_fields else "  settings    (none)")
    for name, kind, default, text in _settings(config):
        click.echo(f"    {name}: {kind} = {default}" + (f"\n        {text}" if text else ""))
    for preset, values in config.presets.items():
        click.echo(f"  preset {preset}: " + (", ".join(f"{k}: {v}" for k, v in values.items()) or "(the defaults)"))


def _settings(config: type[StageConfig]) -> list[tuple[str, str, str, str]]:
    """(name, type, default, description) of each field."""
    rows = []
    for name, field in config.model_fields.items():
        kind = getattr(field.annotation, "__name__", None) if isinstance(field.annotation, type) else None
        written = kind or str(field.annotation).replace("typing.", "")
        limits = [str(item) for item in field.metadata]
        default = "(required)" if field.is_required() else repr(field.get_default(call_default_factory=True))
        rows.append((name, " ".join([written, *limits]), default, field.description or ""))
    return rows


def _show_fields(plugin: Any) -> None:
    for name in type(plugin).__dataclass_fields__:
        if name not in ("name", "summary", "create", "normalise", "config"):
            click.echo(f"  {name:11} {getattr(plugin, name)!r}")


def _named(host: Host, text: str) -> list[Registered]:
    """The plugins that NAME or KIND/NAME means; one name may stand in several slots."""
    kind, slash, name = text.rpartition("/")
    if slash:
        return [host.find(_kind(kind), name)]
    found = [item for item in every(host) if item.plugin.name == text]
    if not found:
        names = {item.plugin.name for item in every(host)}
        broken = "".join(f"\nInstalled but broken, may hold it: {failure}" for failure in host.failures)
        raise UnknownPluginError(
            f'There is no plugin "{text}".{did_you_mean(text, names)} Installed: {listing(names)}.{broken}'
        )
    return found


def _kind(text: str) -> Kind:
    for kind in KINDS:
        if kind == text.replace("-", "_"):
            return kind
    raise UnknownPluginError(f'There is no kind "{text}".{did_you_mean(text, KINDS)} Kinds: {listing(KINDS)}.')


@command.command("check")
@click.argument("name", required=False)
@click.pass_context
def check(ctx: click.Context, name: str | None) -> None:
    """Run the conformance checks of a plugin. NAME of a plugin, a module or a distribution; by default of everything.

    An observer is told of a made-up run, in a temporary folder.

    Stages are trained with the plugin's preset "check", or "quick" where it has no "check".
    """
    from emgen.testing.conformance import checks_of, run_checks

    host = load_host()
    watching = [item for item in host.observing if name is None or name in _names(item)]
    items = every(host) if name is None else _wanted(host, name, watching)
    broken = [failure for failure in host.failures if name is None or name in _names(failure)]
    counts = {"passed": 0, "failed": len(broken), "skipped": 0}
    for failure in broken:
        click.echo(f"FAILED  {failure}")
    checked: list[Registered | Observer] = [*items, *watching]
    for item in checked:
        title = f"observer/{item.module}" if isinstance(item, Observer) else f"{item.kind}/{item.plugin.name}"
        click.echo(click.style(title, bold=True) + f"  {_origin(item)}")
        for result in run_checks(checks_of(item)):
            counts[result.outcome] += 1
            sentence = result.name.removeprefix("test_").replace("_", " ")
            click.echo(f"  {result.outcome:7} {sentence} ({result.seconds:.1f} s)")
            if result.text:
                click.echo("          " + result.text.replace("\n", "\n          "))
    click.echo(", ".join(f"{count} {outcome}" for outcome, count in counts.items()))
    ctx.exit(1 if counts["failed"] else 0)


def _names(item: Registered | Observer | PluginFailure) -> tuple[str, str, str]:
    """What it is called beside its own name: distribution, module, package of the module."""
    return item.distribution, item.module, item.module.split(".")[0]


def _wanted(host: Host, name: str, watching: list[Observer]) -> list[Registered]:
    """By distribution, module, or package of the module; else by plugin name."""
    found = [item for item in every(host) if name in _names(item)]
    if found or watching or any(name in _names(failure) for failure in host.failures):
        return found
    return _named(host, name)


@command.command("new")
@click.argument("name")
@click.option("--kind", type=click.Choice(list(KINDS)), default="rough_segmenter", show_default=True)
@click.option(
    "--out", type=click.Path(path_type=Path), help="The folder to write, by default named as the distribution."
)
def new(name: str, kind: Kind, out: Path | None) -> None:
    """Start a plugin: a distribution of its own, with tests, that works as it is. NAME in kebab-case."""
    from emgen.testing.template import write_plugin

    try:
        made = write_plugin(name, kind, out)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="NAME") from error
    click.echo(f'Wrote {made.folder} ({made.distribution}, {KINDS[kind].title} "{made.name}"). Next:')
    click.echo(f"  pip install -e {made.folder}\n  emgen plugins check {made.name}\n  pytest {made.folder}")

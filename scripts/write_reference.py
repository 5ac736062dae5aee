"""Writes what is generated in docs/reference: commands from click, plugins from the installed defaults, measurements
from what is measured; into ``spec.md`` the fields, into ``hooks.md`` the hooks and the objects that they return.

    python scripts/write_reference.py [--check]

``--check`` writes nothing and exits with 1 if a page is out of date.
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from reference_fields import all_hooks, hook_objects, spec_fields
from reference_measurements import measurements_page
from reference_tables import NOTE, default_text, filled, plain, table, type_text

from emgen.cli import main
from emgen.host.host import load_host
from emgen.host.kinds import KINDS
from emgen.host.records import Registered
from emgen.registration import MetricPlugin, ModalityPlugin, ReaderPlugin, StageConfig, StagePlugin

REFERENCE = Path(__file__).parents[1] / "docs" / "reference"

# --- commands ---------------------------------------------------------------------------------------------------------


def commands(group: click.Group, context: click.Context) -> Iterator[tuple[click.Command, click.Context]]:
    """Every command below a group, groups included, in the order of its help."""
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        inner = click.Context(command, info_name=name, parent=context)
        yield command, inner
        if isinstance(command, click.Group):
            yield from commands(command, inner)


def options(command: click.Command, context: click.Context) -> list[tuple[str, ...]]:
    """One row an option: how it is written, what it does, its default."""
    rows = []
    for option in command.params:
        record = option.get_help_record(context)
        if isinstance(option, click.Option) and record is not None:
            written, text = record
            rows.append((f"`{written}`", plain(text)))
    return rows


def command_section(command: click.Command, context: click.Context) -> str:
    usage = context.command_path + " " + " ".join(filter(None, command.collect_usage_pieces(context)))
    title = "#" * (1 + context.command_path.count(" ")) + f" {context.command_path}"
    # click marks with \b and \f what it must not wrap and what it must not show
    shown = inspect.cleandoc((command.help or "").split("\f")[0].replace("\b\n", "")).strip()
    rows = options(command, context)
    return "\n".join(
        [title, "", "```text", usage, "```", "", plain(shown), "", *([table(("option", "does"), rows)] if rows else [])]
    )


def commands_page() -> str:
    context = click.Context(main, info_name="emgen", terminal_width=10_000, max_content_width=10_000)
    assert isinstance(main, click.Group)
    sections = [command_section(main, context).replace("# emgen\n", "# Commands\n", 1)]
    sections += [command_section(command, inner) for command, inner in commands(main, context)]
    status = (
        "Exit status: 0 all well; 1 some inputs failed (listed in `summary.json`) or a stage of a run failed; "
        "2 the call or the spec is wrong.\n"
    )
    return NOTE + "\n" + "\n".join([*sections, "## Exit status\n", status])


# --- plugins ----------------------------------------------------------------------------------------------------------


def settings(config: type[StageConfig]) -> list[tuple[str, ...]]:
    """One row a setting: name, type, default, value in preset quick if another, description."""
    schema = config.model_json_schema()
    quick = config.presets.get("quick", {})
    return [
        (
            f"`{name}`",
            type_text(schema["properties"][name]),
            default_text(field.get_default(call_default_factory=True)),
            default_text(quick[name]) if name in quick else "",
            field.description or "",
        )
        for name, field in config.model_fields.items()
    ]


def facts(plugin: Any) -> list[str]:
    """What a plugin is beside its settings, one line each."""
    match plugin:
        case ReaderPlugin():
            return [f"Suffixes: {', '.join(f'`{suffix}`' for suffix in plugin.suffixes)}."]
        case ModalityPlugin():
            defaults = json.dumps(plugin.defaults, default=dict)
            return [f"Particles: {plugin.polarity}. Defaults for the other slots: `{defaults}`."]
        case MetricPlugin():
            needs = f"Compares: {plugin.needs}."
            return [needs, f"Downloads: {plugin.downloads}."] if plugin.downloads else [needs]
        case StagePlugin(simulated_weights=True):
            return ["Brings weights trained on simulated images."]
    return []


def plugin_section(item: Registered) -> str:
    plugin = item.plugin
    lines = [f"### {plugin.name}", "", plugin.summary, "", *facts(plugin), ""]
    config = getattr(plugin, "config", None)  # of a modality there is none, of a reader there may be one
    if config is not None:
        rows = settings(config)
        head = ("setting", "type", "default", "in preset `quick`", "what")
        lines.append(table(head, rows) if rows else "No settings.\n")
    return "\n".join(lines)


def plugins_page() -> str:
    host = load_host()
    sections = ["# Plugins", "", "What comes with emgen; `emgen plugins list` shows what is installed here.", ""]
    for kind, info in KINDS.items():
        own = [item for item in host.plugins(kind).values() if item.distribution == "emgen"]
        title = info.plural[0].upper() + info.plural[1:]
        sections += [f"## {title}", "", f"Hook `{info.hook}`.", "", *(plugin_section(item) for item in own)]
    return NOTE + "\n" + "\n".join(sections)


# --- the copilot's interface ------------------------------------------------------------------------------------------


def copilot_page() -> str:
    """From the OpenAPI document that the service itself gives."""
    from types import SimpleNamespace

    from fastapi import FastAPI

    from emgen.copilot.places import Places
    from emgen.copilot.routes import add_routes

    app = FastAPI(title="emgen copilot")
    stand_in: Any = SimpleNamespace(journal=None, places=Places(Path()))
    add_routes(app, stand_in)
    by_tag: dict[str, list[tuple[str, ...]]] = {}
    for path, methods in app.openapi()["paths"].items():
        for method, told in methods.items():
            words = " ".join(told.get("description", told["summary"]).split())
            by_tag.setdefault(told["tags"][0], []).append((f"`{method.upper()} {path}`", words))
    head = [
        "# The copilot's interface",
        "",
        "JSON over HTTP; a running service describes it in full at `/openapi.json`. Errors are JSON with a `reason`.",
        "How frames are sent and events followed: [Live, beside the microscope](../how-to/live.md).",
        "",
    ]
    sections = [f"## {tag[0].upper()}{tag[1:]}\n\n{table(('request', 'does'), rows)}" for tag, rows in by_tag.items()]
    return NOTE + "\n" + "\n".join([*head, *sections])


# --- parts of written pages -------------------------------------------------------------------------------------------


def spec_page() -> str:
    return filled((REFERENCE / "spec.md").read_text(), "fields", spec_fields())


def hooks_page() -> str:
    page = filled((REFERENCE / "hooks.md").read_text(), "hooks", all_hooks())
    return filled(page, "objects", hook_objects())


PAGES = {
    "commands.md": commands_page,
    "copilot.md": copilot_page,
    "plugins.md": plugins_page,
    "measurements.md": measurements_page,
    "spec.md": spec_page,
    "hooks.md": hooks_page,
}


def stale() -> list[Path]:
    """The generated pages that differ from what the code says."""
    texts = {REFERENCE / name: page() for name, page in PAGES.items()}
    return [path for path, text in texts.items() if not path.exists() or path.read_text() != text]


if __name__ == "__main__":
    if "--check" in sys.argv[1:]:
        sys.exit("\n".join(f"{path} is out of date: run `make reference`" for path in stale()) or 0)
    for name, page in PAGES.items():
        (REFERENCE / name).write_text(page())

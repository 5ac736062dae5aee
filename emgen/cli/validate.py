"""``emgen validate``: what a spec would run, and everything that would stop it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from emgen.host import Host
    from emgen.spec import Slot, Spec
    from emgen.spec.check import Checked


@click.command("validate")
@click.argument("spec", type=click.Path(path_type=Path))
@click.option("--set", "overrides", multiple=True, metavar="FIELD=VALUE", help="Change a field, e.g. data.crop=256.")
def command(spec: Path, overrides: tuple[str, ...]) -> None:
    """Check SPEC without running it: its fields, every micrograph, every stage's needs. Shows what would run."""
    from rich.console import Console

    from emgen.engine.device import foresee_device
    from emgen.host import load_host
    from emgen.spec import load_spec
    from emgen.spec.check import check_spec

    host = load_host()
    loaded = load_spec(spec, overrides, host)
    checked = check_spec(loaded, host, foresee_device)
    console = Console()
    _print(console, checked, host)
    checked.require()
    console.print(f"[green]Nothing stands in the way.[/green] Run it: emgen run {spec}", soft_wrap=True)


def _print(console: Console, checked: Checked, host: Host) -> None:
    console.print(f"[bold]{checked.spec.name}[/bold]", _micrographs(checked), soft_wrap=True)
    console.print(_settings(checked), soft_wrap=True)
    console.print(_table(checked.spec, host))
    for note in checked.notes:
        console.print(f"Note: {note}", soft_wrap=True)


def _micrographs(checked: Checked) -> str:
    infos = checked.micrographs
    if not infos:
        return "micrographs: not all could be read"
    sizes = _counted(f"{i.shape_HW[0]} x {i.shape_HW[1]}" for i in infos)
    depths = _counted(i.native_dtype for i in infos)
    pixels = _counted("unknown" if i.pixel_size_nm is None else f"{i.pixel_size_nm:.4g} nm" for i in infos)
    return f"{len(infos)} micrographs, {sizes} px, {depths}, pixel size {pixels}"


def _counted(values: Iterable[str]) -> str:
    """The value if all agree, else the commonest with their counts."""
    counts = Counter(values).most_common()
    if len(counts) == 1:
        return counts[0][0]
    shown = ", ".join(f"{count} of {value}" for value, count in counts[:3])
    return shown + (" ..." if len(counts) > 3 else "")


def _settings(checked: Checked) -> str:
    spec = checked.spec
    return (
        f"modality {spec.modality}, preset {spec.preset}, seed {spec.seed}, device {checked.device}, "
        f"crops of {spec.data.crop} px, {spec.virtual.images} virtual images"
    )


def _table(spec: Spec, host: Host) -> Table:
    from rich.table import Table

    table = Table("slot", "plugin", "from", "settings other than the plugin's defaults", title="What will run")
    rows: list[tuple[str, Any, Slot]] = [(slot, slot, value) for slot, value in spec.stages().items()]
    rows += [("metric", "metric", value) for value in spec.metrics]
    for title, kind, value in rows:
        registered = host.find(kind, value.uses)
        table.add_row(title, value.uses, f"{registered.distribution} {registered.version}", _changed(value))
    return table


def _changed(value: Slot) -> str:
    from emgen.spec.template import changed_settings

    return ", ".join(f"{name}={setting}" for name, setting in changed_settings(value).items())

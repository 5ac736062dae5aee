"""``emgen info``: what image files hold."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from emgen.data.describe import Described

LABELS = {"voltage_kv": ("voltage", "kV"), "magnification": ("magnification", "x")}
"""Metadata with a unit: how they are called and the unit behind the number."""


@click.command("info")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@click.pass_context
def command(ctx: click.Context, files: tuple[str, ...], as_json: bool) -> None:
    """Say what image files (files, folders or quoted globs) hold, as every command reads them.

    Reader, number of micrographs, size, depth, pixel size in nm and where it comes from, time step of a series, what
    was changed in reading (a data bar cropped, an alpha channel dropped), and what the file says of the microscope. A
    file that cannot be read is reported, the others are done; the status is then 1.
    """
    from emgen.data.describe import describe_files
    from emgen.host import load_host

    described, failed = describe_files(files, load_host())
    if as_json:
        click.echo(json.dumps({"files": [one.to_dict() for one in described], "failed": failed}, indent=1))
    else:
        for one in described:
            click.echo("\n".join(_lines(one)))
    for failure in failed:
        click.echo(f"Failed: {failure['reason']}", err=True)
    ctx.exit(1 if failed else 0)


def _lines(one: Described) -> Iterator[str]:
    """A line that says the most, and below it what else is known."""
    yield f"{Path(one.path).name}: {_summary(one)}"
    if one.pixel_size_why:
        yield _detail("pixel size", f"unknown: {one.pixel_size_why}; give it with --pixel-size")
    elif one.pixel_size_stated:
        yield _detail("pixel size", f"{one.pixel_size_stated} in the file")
    for name, value in one.metadata.items():
        label, unit = LABELS.get(name, (name, ""))
        yield _detail(label, f"{value:g} {unit}".strip() if isinstance(value, float) else f"{value} {unit}".strip())
    for note in one.notes:
        yield _detail("note", note)


def _summary(one: Described) -> str:
    height, width = one.shape_HW
    count = "1 micrograph" if one.micrographs == 1 else f"{one.micrographs} micrographs"
    size = "pixel size unknown" if one.pixel_size_nm is None else f"{one.pixel_size_nm:.4g} nm/px"
    step = "" if one.time_step_s is None else f", every {one.time_step_s:g} s"
    return f"{count}, {width} x {height} px, {one.dtype}, {size}{step} [{one.reader}]"


def _detail(label: str, text: str) -> str:
    return f"  {label:<14}{text}"

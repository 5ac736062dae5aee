"""``emgen report``: the HTML report of a run, again."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("report")
@click.argument("run", type=click.Path(path_type=Path))
def command(run: Path) -> None:
    """Write report.html of the run folder RUN, finished or not, from what lies there; print its path."""
    from emgen.report import write_report

    click.echo(write_report(run))

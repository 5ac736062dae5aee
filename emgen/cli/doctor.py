"""``emgen doctor``: what is wrong with a set of micrographs."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("doctor")
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...")
@click.option(
    "--labels",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder of labels by stem; give several where people labelled the same micrographs.",
)
@click.option("--modality", metavar="NAME", help="How they were taken; else they are compared with each other.")
@click.option(
    "--pixel-size",
    type=click.FloatRange(min=0, min_open=True),
    metavar="NM",
    help="Side of a pixel in nm, of all images; goes over what the files say.",
)
@click.option(
    "--json", "json_file", type=click.Path(path_type=Path), metavar="FILE", help="Also write everything here."
)
@click.option(
    "--report",
    "report_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Also write an HTML page with pictures.",
)
@click.option("--quiet", is_flag=True, help="Say nothing while examining.")
@click.pass_context
def command(
    ctx: click.Context,
    images: tuple[str, ...],
    labels: tuple[Path, ...],
    modality: str | None,
    pixel_size: float | None,
    json_file: Path | None,
    report_file: Path | None,
    quiet: bool,
) -> None:
    """Examine micrographs (files, folders or quoted globs) before a network learns from them.

    Looks for duplicates, overlapping fields of view, clipped, empty and constant images, scale bars, data bars, mixed
    pixel sizes and polarities, and labels that do not fit or contradict each other. Changes nothing. Ends with status 0
    when all is well or worth a note at most, with 1 when something needs attention.
    """
    from emgen.api import doctor
    from emgen.cli.evaluate import write_result
    from emgen.doctor.page import write_page
    from emgen.doctor.text import lines, summary

    tell = (lambda line: None) if quiet else (lambda line: click.echo(line, err=True))
    diagnosis = doctor(images, labels=labels, modality=modality, pixel_size_nm=pixel_size, tell=tell)
    for line in lines(diagnosis.findings):
        click.echo(line)
    click.echo(summary(len(diagnosis.examination.looks), diagnosis.counts))
    if json_file is not None:
        write_result(json_file, diagnosis.to_dict())
    if report_file is not None:
        write_page(report_file, diagnosis)
    ctx.exit(1 if diagnosis.attention else 0)

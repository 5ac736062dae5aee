"""``emgen measure``: particle table and size distribution of masks from anywhere."""

from __future__ import annotations

from pathlib import Path

import click

from emgen.particles.instances import MEANINGS, Meaning


@click.command("measure")
@click.argument("masks", nargs=-1, required=True, metavar="MASK...")
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder for the results.")
@click.option(
    "--pixel-size",
    type=click.FloatRange(min=0, min_open=True),
    metavar="NM",
    help="Side of a pixel in nm, of all masks; goes over what the files say.",
)
@click.option("--images", multiple=True, metavar="IMAGE", help="Micrographs of the same stems: intensities, overlays.")
@click.option("--as", "meaning", type=click.Choice(MEANINGS), help="What the files hold; else told from each.")
@click.option("--split/--no-split", default=True, help="Cut touching particles of masks apart (default), or not.")
@click.option(
    "--model",
    metavar="MODEL",
    help="The model that made the masks: its recall and size bias are corrected, where its run has measured them.",
)
@click.option(
    "--factor",
    type=click.FloatRange(min=0, min_open=True),
    help="With --model: its working scale over the masks' own; else by summary.json of `emgen segment` beside them.",
)
@click.option("--write", multiple=True, metavar="FORMATS", help="Also coco, ome-zarr, overlay, rois.")
@click.pass_context
def command(
    ctx: click.Context,
    masks: tuple[str, ...],
    out: Path,
    pixel_size: float | None,
    images: tuple[str, ...],
    meaning: Meaning | None,
    split: bool,
    model: str | None,
    factor: float | None,
    write: tuple[str, ...],
) -> None:
    """Measure particles in masks, label images or probability maps (files, folders or quoted globs).

    Writes particles.csv and .parquet, size_distribution.json, .csv and figures, and summary.json. Labels (whole
    numbers, or <stem>_labels) are taken as they are. A file that cannot be used is reported, the others are done; the
    status is then 1.
    """
    from emgen.api import measure
    from emgen.sizes import in_words

    result = measure(
        masks,
        out,
        images=images,
        pixel_size_nm=pixel_size,
        meaning=meaning,
        split=split,
        model=model,
        factor=factor,
        write=write,
        tell=click.echo,
    )
    for failure in result.failed:
        click.echo(f"Failed: {failure['reason']}", err=True)
    if result.sizes is not None:
        if result.sizes.particles > 1:
            click.echo(in_words(result.sizes))
        for note in result.sizes.notes:
            click.echo(f"Note: {note}.")
    click.echo(f"{len(result.files)} masks, {len(result.particles)} particles: {out}")
    ctx.exit(1 if result.failed else 0)

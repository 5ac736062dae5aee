"""``emgen segment``: masks, labels, a table of particles."""

from __future__ import annotations

from pathlib import Path

import click

from emgen.cli.options import workers_options


@click.command("segment")
@click.argument("model")
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...")
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder for the results.")
@click.option(
    "--pixel-size",
    type=click.FloatRange(min=0, min_open=True),
    metavar="NM",
    help="Side of a pixel in nm, of all images; goes over what the files say.",
)
@click.option(
    "--write",
    multiple=True,
    metavar="FORMAT[,FORMAT...]",
    help="Further formats: `coco` (coco.json of all), and of each micrograph `ome-zarr`, `overlay` (PNG with outlines "
    "and scale bar), `rois` (ImageJ ROI set). `zarr`: labels of all frames of a file in one Zarr array, in the place "
    "of the TIFF files.",
)
@click.option(
    "--labels-to", metavar="PLACE", help="Folder or URL (s3://bucket/run) of what `zarr` writes; by default --out."
)
@workers_options("Micrographs")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option(
    "--precision",
    type=click.Choice(["auto", "float32"]),
    default="auto",
    show_default=True,
    help="`auto`: bfloat16 where the processor computes it natively.",
)
@click.pass_context
def command(
    ctx: click.Context,
    model: str,
    images: tuple[str, ...],
    out: Path,
    pixel_size: float | None,
    write: tuple[str, ...],
    labels_to: str | None,
    workers: int,
    scheduler: str | None,
    device: str,
    precision: str,
) -> None:
    """Segment micrographs (files, folders or quoted globs) with MODEL: a run's model/ folder, or `pretrained`.

    For each: <stem>_mask.tif (0 and 255) and <stem>_labels.tif (one value a particle), of its own size; for all:
    particles.csv and .parquet, size_distribution.json, .csv and figures, and summary.json. A file that cannot be used
    is reported, the others are done; the status is then 1. Where a call was stopped, the same one goes on; if nothing
    has changed, nothing is done twice.
    """
    from emgen.api import segment
    from emgen.sizes import in_words

    result = segment(
        model,
        images,
        out,
        pixel_size_nm=pixel_size,
        write=write,
        labels_to=labels_to,
        device=device,
        precision=precision,
        workers=workers,
        scheduler=scheduler,
        tell=click.echo,
    )
    for failure in result.failed:
        click.echo(f"Failed: {failure['reason']}", err=True)
    if result.sizes is not None and result.sizes.particles > 1:
        click.echo(in_words(result.sizes))
    click.echo(f"{len(result.files)} micrographs, {len(result.particles)} particles: {out}")
    ctx.exit(1 if result.failed else 0)

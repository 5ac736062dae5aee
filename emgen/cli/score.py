"""``emgen score``: generated images against real ones."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("score")
@click.argument("generated", type=click.Path(path_type=Path))
@click.argument("real", type=click.Path(path_type=Path))
@click.option("--metrics", metavar="NAMES", help="Comma-separated; by default those of sets that need no download.")
@click.option(
    "--set", "settings", multiple=True, metavar="METRIC.FIELD=VALUE", help="A setting, e.g. fid.weights=FILE."
)
@click.option("--modality", metavar="NAME", help="Normalise both as a run of it does; else values as they are stored.")
@click.option(
    "--group-by",
    metavar="PATTERN",
    help="Names of REAL that agree in what this regular expression matches are crops of one micrograph, "
    "e.g. '^[^_]+'. Crops of one are not independent.",
)
@click.option("--resize", is_flag=True, help="Reduce larger images to the common size instead of cutting their centre.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option(
    "--json", "json_file", type=click.Path(path_type=Path), metavar="FILE", help="Also write everything here."
)
def command(
    generated: Path,
    real: Path,
    metrics: str | None,
    settings: tuple[str, ...],
    modality: str | None,
    group_by: str | None,
    resize: bool,
    device: str,
    json_file: Path | None,
) -> None:
    """Scores of the images in GENERATED against those in REAL (folders, files or quoted globs).

    Metrics such as ssim and psnr compare images of equal names.
    """
    from emgen.cli.evaluate import write_result
    from emgen.report.scores import lines
    from emgen.scores.distributions import score_folders

    names = [name.strip() for name in (metrics or "").split(",") if name.strip()]
    result = score_folders(
        generated,
        real,
        names,
        settings=settings,
        modality=modality,
        group_by=group_by,
        resize=resize,
        device=device,
    )
    height, width = result.shape_HW
    click.echo(f"{result.n_generated} generated, {result.n_real} real images, compared at {width} x {height} px")
    for metric, scores in result.scores.items():
        click.echo(f"{metric}: {scores['features']}" if "features" in scores else metric)
        for name, value, worth in lines(scores):
            click.echo(f"  {name:22} {value:34} {worth}".rstrip())
    for note in result.notes:
        click.echo(f"Note: {note}")
    if json_file is not None:
        write_result(json_file, result.to_dict())

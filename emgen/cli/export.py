"""``emgen export``: a model, or what a run made, as others take it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from emgen.cli.options import workers_options
from emgen.exporting import FORMATS


@click.command("export")
@click.argument("model")
@click.option(
    "--format",
    "format_",
    required=True,
    type=click.Choice(list(FORMATS)),
    help="onnx: one file for ONNX Runtime and `emgen segment`. bioimageio: a package for bioimage.io and its programs. "
    "dataset: a run's virtual images, masks and labels, for others to train on.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="Write here; by default in this folder, under the model's name."
)
@click.option("--generation", type=click.Choice(["first", "second"]), help="Of a dataset; by default second.")
@click.option("--licence", metavar="ID", help="Of a dataset or a bioimageio package, e.g. cc-by-4.0.")
@click.option("--author", metavar="NAME", help="Of a bioimageio package: whom to ask about it.")
@workers_options("Pictures of a dataset")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
def command(model: str, format_: str, out: Path | None, device: str, workers: int, **options: str | None) -> None:
    """Write MODEL (a run's model/ folder, a run, or `pretrained`) in a format that other programs take.

    A network is checked as it is written: its probabilities must be those of the model to 1e-4. An ONNX file stands in
    the model's place in `emgen segment`, where torch is then not needed.
    """
    from emgen.api import export

    given: dict[str, Any] = {name: value for name, value in options.items() if value} | (
        {"workers": workers} if workers > 1 else {}
    )
    click.echo(export(model, format_, out, device=device, tell=click.echo, **given))

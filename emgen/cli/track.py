"""``emgen track``: particles of an in-situ series linked from frame to frame."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

_ABOVE_0 = click.FloatRange(min=0, min_open=True)
_MEANINGS = ("labels", "mask", "probability")
_DRIFTS = ("auto", "particles", "images", "none")


@click.command("track")
@click.argument("labels", nargs=-1, required=True, metavar="LABELS...")
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder for the results.")
@click.option(
    "--images", multiple=True, metavar="IMAGE", help="Micrographs of the frames: by name, or one a frame in order."
)
@click.option("--pixel-size", type=_ABOVE_0, metavar="NM", help="Side of a pixel in nm; goes over what the files say.")
@click.option("--frame-time", type=_ABOVE_0, metavar="S", help="Seconds from frame to frame.")
@click.option("--as", "meaning", type=click.Choice(_MEANINGS), help="What the label files hold; else told from each.")
@click.option(
    "--search-range",
    type=_ABOVE_0,
    metavar="PX",
    help="How far a particle may move from frame to frame, drift aside; else chosen from the data.",
)
@click.option(
    "--memory",
    type=click.IntRange(min=0),
    metavar="N",
    help="How many frames in a row a particle may be missed; else chosen from the data.",
)
@click.option(
    "--drift",
    type=click.Choice(_DRIFTS),
    default="auto",
    show_default=True,
    help="What the stage's drift is measured from; auto: particles, or images where these do not agree.",
)
def command(labels: tuple[str, ...], images: tuple[str, ...], out: Path, **options: Any) -> None:
    """Follow the particles of a series from frame to frame.

    LABELS are the label images or masks of its frames in natural order (files, folders, quoted globs), one file that
    holds all of them, or the folder that `emgen segment` wrote. Writes tracks.csv and .parquet, series.csv, events.csv
    (coalescence, appearance, disappearance), summary.json, series.png and .svg, tracks.png.
    """
    from emgen.api import track
    from emgen.engine.progress import make_progress

    progress = make_progress(True)
    settings = {
        "pixel_size_nm": options["pixel_size"],
        "frame_time_s": options["frame_time"],
        "meaning": options["meaning"],
        "search_range_px": options["search_range"],
        "memory": options["memory"],
        "drift": options["drift"],
    }
    try:
        followed = track(labels, out, images=images, progress=progress, **settings)
    finally:
        progress.close()
    for line in _in_words(followed.summary):
        click.echo(line)
    click.echo(out)


def _in_words(summary: dict[str, Any]) -> list[str]:
    events, search, drift = summary["events"], summary["search"], summary["drift"]
    return [
        f"{summary['frames']} frames, {summary['tracks']} tracks, {events['coalescence']} coalescence events, "
        f"{events['appearance']} appearances, {events['disappearance']} disappearances",
        f"drift up to {drift['largest_step_px']:.3g} px a frame; search range {search['range_px']:.3g} px "
        f"({search['range_from']}), memory {search['memory_frames']} frames ({search['memory_from']})",
        *(f"Note: {note}." for note in summary["notes"]),
    ]

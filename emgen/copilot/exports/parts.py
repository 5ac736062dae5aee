"""The parts of the report that are made of words and numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from emgen.copilot.exports.scene import estimate_words
from emgen.copilot.exports.session import Growth, Row, Session, time_of, told_time
from emgen.copilot.sizes import Estimate
from emgen.copilot.trend import Latency
from emgen.report.text import duration, number, setting

SET_ASIDE = 200
HAPPENED = 300
"""Rows of these tables at most; the page says where there are more."""
_RECENT = 1000
"""Frames that the latency is of, as in the service."""
_ORIGINS = {"folder": "a folder that was watched", "http": "sent over the network"}
_TITLES = {
    "alarm": "alarm",
    "model": "another model",
    "adaptation": "adaptation",
    "restarted": "the process that segments was started again",
    "paused": "paused",
    "resumed": "resumed",
    "policy": "policy",
}
"""Events in the table of what happened; the rest has parts of its own."""


def tiles(grown: Growth, told: Mapping[str, Any], counts: Mapping[str, int], alarms: int) -> list[tuple[str, str, str]]:
    """Title, value, remark."""
    unit = told["unit"]
    mean, median = (Estimate(**told[name]) for name in ("mean", "median"))
    interval = "" if mean.low is None else f"95 %: {number(mean.low)} to {number(mean.high)} {unit}"
    between = "" if median.low is None else f"95 %: {number(median.low)} to {number(median.high)} {unit}"
    aside = counts["failed"] + counts["refused"]
    return [
        ("frames answered", f"{grown.frames:,}", f"{aside:,} set aside, {counts['skipped']:,} skipped"),
        ("particles", f"{grown.particles:,}", f"{told['particles']:,} whole, with a size in {unit}"),
        ("mean diameter", _with(mean.value, unit), interval),
        ("median diameter", _with(median.value, unit), between),
        ("alarms", str(alarms), "frames began to differ from the model's training"),
    ]


def _with(value: float | None, unit: str) -> str:
    return "–" if value is None else f"{number(value)} {unit}"


def watched(session: Session, grown: Growth, counts: Mapping[str, int]) -> list[tuple[str, str]]:
    """What came in, by which way and when."""
    rows = [("First and last frame", f"{told_time(grown.begin)} to {told_time(grown.end)}")] if grown.frames else []
    if (settings := session.journal.kept("settings", {})).get("watch"):
        rows.append(("Watched", str(settings["watch"])))
    for origin in session.journal.origins():
        when = f"{told_time(origin['first'])} to {told_time(origin['last'])}"
        way = _ORIGINS.get(origin["origin"], origin["origin"])
        rows.append((f"{way}: {origin['outcome']}", f"{origin['n']:,} files, {when}"))
    rows += [
        ("Frames received", f"{counts['received']:,}"),
        ("Answered", f"{counts['done']:,}"),
        ("Skipped by the policy “newest”", f"{counts['skipped']:,}"),
        ("Set aside: frames, files", f"{counts['failed']:,}, {counts['refused']:,}"),
        ("Came in twice, taken once", f"{counts['duplicates']:,}"),
    ]
    if session.chosen is not None:
        rows.append(("In this report", f"{grown.frames:,} frames that were chosen"))
    if grown.unit == "nm" and grown.unscaled:
        rows.append(("Without a pixel size", f"{grown.unscaled:,} frames; not in the sizes in nm"))
    return rows


def models(session: Session, grown: Growth) -> list[tuple[str, ...]]:
    """Number, place, digest, since, why, frames answered."""
    return [
        (
            str(row["id"]),
            row["place"],
            row["digest"],
            told_time(row["since"]),
            row["why"],
            f"{grown.by_model.get(row['id'], 0):,}",
        )
        for row in session.models.values()
    ]


def sizes_table(told: Mapping[str, Any]) -> list[tuple[str, str]]:
    unit = told["unit"]
    return [
        ("Frames", f"{told['frames']:,}"),
        ("Whole particles", f"{told['particles']:,}"),
        ("Mean", estimate_words(Estimate(**told["mean"]), unit)),
        ("Median", estimate_words(Estimate(**told["median"]), unit)),
        ("10 % are smaller than", _with(told["d10"], unit)),
        ("10 % are larger than", _with(told["d90"], unit)),
    ]


def events(session: Session) -> Iterator[Row]:
    """All but those of single frames, in order."""
    last = 0
    while rows := session.journal.events(last, 2000):
        yield from (row for row in rows if row["kind"] != "frame")
        last = rows[-1]["id"]


def happened(found: list[Row]) -> list[tuple[str, str, str]]:
    """When, what, in words; of ``events``."""
    return [(told_time(row["at"]), _TITLES[row["kind"]], _words(row)) for row in found if row["kind"] in _TITLES]


def _words(row: Row) -> str:
    data = row["data"]
    if row["kind"] == "alarm":
        words = ", ".join(data.get("words", ()))
        state = f"begins with frame {data.get('since')}" if data.get("raised") else "ends"
        return f"{state} (frame {data.get('frame')}){': ' + words if words else ''}"
    if row["kind"] == "model":
        return f"{data.get('place')}, {str(data.get('digest'))[:12]}: {data.get('why')}"
    return setting(data) or "–"


def marked(session: Session) -> list[tuple[str, str, str, str]]:
    """Number, time, name, remark."""
    return [
        (str(row["id"]), told_time(time_of(row)), row["name"], row["remark"] or "")
        for row in session.journal.marked()
        if session.chosen is None or row["id"] in session.chosen
    ]


def set_aside(session: Session) -> list[tuple[str, str, str]]:
    """When, name, reason; the newest first."""
    rows = session.journal.set_aside(SET_ASIDE)
    return [(told_time(row["at"]), row["name"], row["reason"] or "") for row in rows]


def latency(session: Session) -> list[tuple[str, ...]]:
    """Stage, the middle frame, 95 %, 99 %, of how many frames."""
    seen = Latency()
    for row in reversed(session.journal.newest(_RECENT)):
        seen.add({**row["seconds"], "file closed to answer": max(0.0, row["answered_at"] - time_of(row))})
    return [
        (stage, *(duration_of(value[name]) for name in ("p50", "p95", "p99")), f"{value['frames']:,}")
        for stage, value in seen.told().items()
    ]


def duration_of(seconds: float) -> str:
    """
    >>> duration_of(0.0123), duration_of(4.2)
    ('12 ms', '4.2 s')
    """
    return f"{1000 * seconds:.0f} ms" if seconds < 1 else duration(seconds)


def provenance(session: Session, now: float) -> list[tuple[str, str]]:
    import platform

    from emgen import __version__
    from emgen.copilot.journal import VERSION

    facts = [
        ("Session", str(session.places.root.resolve())),
        ("This report was made", told_time(now)),
        ("emgen", __version__),
        ("Journal", f"version {VERSION}"),
        ("Python, system", f"{platform.python_version()}, {platform.platform()}"),
    ]
    settings = session.journal.kept("settings", {})
    return [*facts, *((f"setting: {name}", setting(value)) for name, value in settings.items())]

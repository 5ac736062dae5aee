"""The report of a session: one HTML file that needs nothing beside it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from emgen.copilot.exports import parts
from emgen.copilot.exports.figures import lines, sizes_chart
from emgen.copilot.exports.pictures import chosen_frames, pictures
from emgen.copilot.exports.session import Growth, Row, Session, time_of, told_time
from emgen.copilot.sizes import ENOUGH, REPLICATES
from emgen.files import write_text

_READ = (0.0, 0.7)
"""Share of the work."""


def write_report(session: Session, path: Path) -> None:
    """Raises ``OutputError``."""
    grown = Growth()
    for row in session.answered(_READ):
        grown.add(row)
    found = list(parts.events(session))
    write_text(path, _render(session, grown, found))
    session.heard(1.0)


def _render(session: Session, grown: Growth, found: list[Row]) -> str:
    import jinja2

    import emgen.report

    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader([Path(__file__).parent, Path(emgen.report.__file__).parent]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return templates.get_template("copilot.html.j2").render(_parts(session, grown, found))


def _parts(session: Session, grown: Growth, found: list[Row]) -> dict[str, Any]:
    counts, told = session.journal.counts(), grown.sizes[grown.unit].sizes().told()
    raised = [row for row in found if row["kind"] == "alarm" and row["data"].get("raised")]
    happened = parts.happened(found)
    shown = chosen_frames(session, grown.first, grown.last, [row["data"]["frame"] for row in raised])
    return {
        "title": session.name,
        "span": f"{told_time(grown.begin)} to {told_time(grown.end)}" if grown.frames else "no frame was answered",
        "tiles": parts.tiles(grown, told, counts, len(raised)),
        "watched": parts.watched(session, grown, counts),
        "models": parts.models(session, grown),
        "sizes": parts.sizes_table(told),
        "sizes_chart": sizes_chart(told) if told["histogram"] else "",
        "lines": _lines(session, grown, raised),
        "merged": grown.trend[grown.unit].merged,
        "pictures": pictures(session, shown),
        "happened": happened[-parts.HAPPENED :],
        "happened_in_all": len(happened),
        "marked": parts.marked(session),
        "set_aside": parts.set_aside(session),
        "set_aside_in_all": counts["failed"] + counts["refused"],
        "latency": parts.latency(session),
        "enough": ENOUGH,
        "replicates": REPLICATES,
        "provenance": parts.provenance(session, time.time()),
    }


def _lines(session: Session, grown: Growth, raised: list[Row]) -> list[tuple[str, str]]:
    if not grown.frames:
        return []
    swaps = sorted(grown.began.values())[1:]
    alarms, unit = _alarms(session, raised), grown.unit
    return lines(grown.trend[unit].told(), grown.trend["px"].told(), unit, alarms, swaps)


def _alarms(session: Session, raised: list[Row]) -> list[float]:
    """When the frames were taken with which an alarm began; events themselves are told later."""
    rows = (session.journal.frame(row["data"]["frame"]) for row in raised)
    return [time_of(row) for row in rows if row is not None]

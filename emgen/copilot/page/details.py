"""What is looked at now and then, one tab each: lines against time, latency, what was set aside, marks, models."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nicegui import ui

from emgen.copilot.page import overtime
from emgen.copilot.page.charting import Chart
from emgen.copilot.page.facts import Board
from emgen.copilot.page.numbers import clock, count, model_name, seconds
from emgen.copilot.page.widgets import PlainTable
from emgen.copilot.trend import NAMES

STAGES = {
    "closed to answer": "File closed to answer",
    "closed to page": "File closed to page",
    "page": "Answer to page",
    "notice": "Noticing the file",
    "take in": "Taking it in",
    "wait": "Waiting in the queue",
    "read": "Reading",
    "segment": "Segmenting",
    "measure": "Measuring",
    "domain": "Comparing with the training",
    "write": "Writing results",
    "draw": "Drawing",
    "journal": "Journal",
}
"""The first three are what a user waits for."""
_TOTALS = 3


class Details:
    """``look_at(frame)``: shows that frame."""

    def __init__(self, look_at: Callable[[int], Any]) -> None:
        with ui.tabs().props("no-caps dense align=left inline-label").classes("tabs") as self._tabs:
            tabs = [ui.tab(name) for name in ("Over time", "Latency", "Set aside", "Marked", "Models")]
        self._set_aside_tab, self._marked_tab = tabs[2], tabs[3]
        with ui.tab_panels(self._tabs, value=tabs[0], animated=False, keep_alive=True).classes("panels"):
            with ui.tab_panel(tabs[0]).classes("over-time"):
                self._trend = Chart(overtime.option({name: [] for name in NAMES}, "nm"), overtime.LABEL)
            with ui.tab_panel(tabs[1]):
                columns = ("Stage", "Half of all", "95 %", "99 %", "Frames")
                self._latency = PlainTable("Latency by stage", columns, "No frame yet.")
            with ui.tab_panel(tabs[2]):
                self._set_aside = PlainTable("Set aside", ("Name", "At", "Why"), "Nothing was set aside.")
            with ui.tab_panel(tabs[3]):
                marks = ("Frame", "Name", "Remark")
                self._marked = PlainTable("Marked frames", marks, "No frame is marked.", look_at)
            with ui.tab_panel(tabs[4]):
                self._models = PlainTable("Models of this session", ("Model", "Since", "Why", "Place"), "")

    def show(self, board: Board) -> None:
        self._latency.show(latency_rows(board.session["latency"]))
        self._set_aside.show([{"cells": [row["name"], clock(row["at"]), row["reason"]]} for row in board.set_aside])
        self._marked.show([_marked_row(row) for row in reversed(board.marked)])
        self._models.show([_model_row(row, board.session["model"]["id"]) for row in reversed(board.models)])
        counts = board.session["counts"]
        self._name(self._set_aside_tab, "Set aside", counts["failed"] + counts["refused"])
        self._name(self._marked_tab, "Marked", len(board.marked))

    def show_trend(self, board: Board, looked_at: float | None) -> None:
        self._trend.show(overtime.option(board.trend, board.session["unit"], looked_at))

    def redraw(self) -> None:
        self._trend.redraw()

    def _name(self, tab: ui.tab, name: str, number: int) -> None:
        label = f"{name} ({number:,})" if number else name
        if tab.props.get("label") != label:
            tab.props["label"] = label


def latency_rows(latency: Mapping[str, Mapping[str, float]]) -> list[dict[str, Any]]:
    """One row a stage: what a user waits for first and in bold, then the parts in their order."""
    known = [stage for stage in STAGES if stage in latency]
    totals = list(STAGES)[:_TOTALS]
    return [
        {
            "cells": [
                STAGES.get(stage, stage.capitalize()),
                *(seconds(latency[stage][level]) for level in ("p50", "p95", "p99")),
                f"{latency[stage]['frames']:,}",
            ],
            "strong": stage in totals,
        }
        for stage in [*known, *(stage for stage in latency if stage not in STAGES)]
    ]


def _marked_row(row: Mapping[str, Any]) -> dict[str, Any]:
    is_shown = row["state"] == "done"
    return {"cells": [f"Frame {row['id']}", row["name"], row["remark"] or ""], "frame": row["id"] if is_shown else None}


def _model_row(row: Mapping[str, Any], current: int) -> dict[str, Any]:
    now = " (answers now)" if row["id"] == current else ""
    return {
        "cells": [f"{row['id']}: {model_name(row)}{now}", clock(row["since"]), row["why"], row["place"]],
        "strong": row["id"] == current,
    }


def foot_words(session: Mapping[str, Any]) -> tuple[str, str]:
    """The last line of the page: what came in and what became of it; how long a user waits."""
    counts = session["counts"]
    parts = [
        f"Received {counts['received']:,}",
        f"answered {counts['done']:,}",
        f"waiting {session['waiting']:,}",
        f"skipped {counts['skipped']:,}",
        f"set aside {counts['failed'] + counts['refused']:,}",
        count(counts["duplicates"], "duplicate"),
    ]
    found = session["latency"].get("closed to page") or session["latency"].get("closed to answer")
    where = "page" if "closed to page" in session["latency"] else "answer"
    if not found:
        return " · ".join(parts), ""
    wait = f"{seconds(found['p50'])} (95 % within {seconds(found['p95'])}, 99 % within {seconds(found['p99'])})"
    return " · ".join(parts), f"File closed to {where}: {wait}"

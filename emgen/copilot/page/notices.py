"""Banners: what one has to know now. Each is there only while it is true."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nicegui import ui

from emgen.copilot.page.actions import box, button
from emgen.copilot.page.facts import Board
from emgen.copilot.page.models import ModelMenu
from emgen.copilot.page.numbers import count, percent


class Banner:
    """A line of text and its buttons. ``kind``: ``alarm``, ``warning`` or ``note``."""

    def __init__(self, kind: str, icon: str, role: str = "status") -> None:
        self.box = box("section", f"banner {kind}").props(f"role={role}")
        with self.box:
            ui.icon(icon).props("aria-hidden=true")
            with box("div", "words"):
                self._title = ui.label().classes("title")
                self._text = ui.label()
            self.buttons = box("div", "buttons")
        self.box.set_visibility(False)

    def show(self, title: str, text: str = "") -> None:
        """Hidden without a title."""
        self.box.set_visibility(bool(title))
        self._title.set_text(title)
        self._text.set_text(text)


class Notices:
    """``look_at(frame)``: shows that frame."""

    def __init__(self, models: ModelMenu, look_at: Callable[[int], Any], resume: Callable[[], Any]) -> None:
        self._since: int | None = None
        self._closed: tuple[Any, ...] | None = None
        """The outcome of an adaptation that this browser needs no more."""
        with box("div", "notices"):
            self._stalled = Banner("alarm", "sd_card_alert", "alert")
            self._alarm = Banner("alarm", "warning", "alert")
            with self._alarm.buttons:
                button("Show that frame", lambda: look_at(self._since or 0))
                self._adapt = button("Adapt …", models.ask_to_adapt, strong=True)
                self._back = button("Go back", models.go_back, hint="Go back to the model before")
            self._adaptation = Banner("note", "model_training")
            with self._adaptation.buttons:
                self._progress = ui.linear_progress(show_value=False).props("instant-feedback aria-label=Progress")
                self._stop = button("Stop", models.stop)
                self._compare = button("Compare …", models.compare)
                self._use = button("Use the new model", models.use_candidate)
                self._close = button("Close", self._close_outcome)
            self._paused = Banner("warning", "pause_circle")
            with self._paused.buttons:
                button("Resume", resume, strong=True)

    def show(self, board: Board) -> None:
        session = board.session
        self._stalled.show("Intake waits: nothing can be written" if session["stalled"] else "", session["stalled"])
        self._since = session["alarm"]["since"]
        self._alarm.show(*alarm_words(session["alarm"]))
        self._back.set_visibility(session["models"] > 1)
        self._show_adaptation(board.adaptation or {"state": "idle"})
        self._adapt.set_visibility(board.adaptation is not None and board.adaptation["state"] != "running")
        waiting = count(session["waiting"], "frame")
        self._paused.show("Paused" if session["paused"] else "", f"Frames still come in; {waiting} waiting.")

    def _show_adaptation(self, told: Mapping[str, Any]) -> None:
        state, is_compared = told["state"], bool(told.get("comparison"))
        self._outcome = state, told.get("words"), told.get("candidate")
        is_closed = self._outcome == self._closed
        self._adaptation.show("" if is_closed else adaptation_title(told), str(told.get("words") or ""))
        self._progress.set_visibility(state == "running")
        self._progress.set_value(float(told.get("progress") or 0.0))
        self._stop.set_visibility(state == "running")
        self._compare.set_visibility(is_compared)
        self._use.set_visibility(state == "compared" and bool(told.get("candidate")))
        self._close.set_visibility(state != "running")

    def _close_outcome(self) -> None:
        self._closed = self._outcome
        self._adaptation.show("")


def adaptation_title(told: Mapping[str, Any]) -> str:
    """Empty where there is nothing to tell. ``told``: of the service's adaptation."""
    if told["state"] == "idle":
        return "The adapted model answers now" if told.get("comparison") else ""
    titles = {"running": "A new model is being made", "compared": "The new model is not clearly better"}
    return titles.get(told["state"], "There is no new model")


def alarm_words(alarm: Mapping[str, Any]) -> tuple[str, str]:
    """Title and text; empty where there is no alarm."""
    if not alarm["raised"]:
        return "", ""
    what = "; ".join(alarm["words"]) or "the frames differ from what the model was trained on"
    rate = percent(alarm["false_alarms"])
    title = f"These frames are not what the model was trained on, since frame {alarm['since']}"
    return (
        title,
        f"{what[:1].upper()}{what[1:]}. Sizes may be wrong. (Of frames that are, at most {rate} exceed the limit.)",
    )

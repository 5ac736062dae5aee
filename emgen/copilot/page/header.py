"""The line on top: which session this is, what the service is doing, and what can be asked of it."""

from __future__ import annotations

from functools import partial
from typing import Any

from nicegui import ui

from emgen.copilot.page.actions import Text, attempt, box, button
from emgen.copilot.page.exports import ExportMenu
from emgen.copilot.page.facts import Board
from emgen.copilot.page.models import ModelMenu
from emgen.copilot.page.numbers import count, model_name
from emgen.copilot.page.theme import ThemeButton
from emgen.copilot.service import Service

_POLICIES = {"all": "Every frame", "newest": "Newest only"}


class Header:
    """``models``: what is done with models, also asked for from the alarm. ``theme``: light or dark."""

    def __init__(self, service: Service, models: ModelMenu, theme: ThemeButton) -> None:
        self._service, self._client = service, ui.context.client
        with box("header", "bar"):
            Text("h1", "EMcopilot")
            with box("div", "what"):
                self._doing = ui.label().classes("doing").props("role=status")
                self._model = ui.label().classes("quiet clipped")
            with box("div", "controls"):
                self._skipped = button("", self._process_skipped, hint="Answer the skipped frames after all")
                self._failed = button("", self._process_failed, hint="Try frames again that could not be segmented")
                self._policy = ui.toggle(_POLICIES, on_change=self._set_policy).props("no-caps unelevated")
                self._policy.props["aria-label"] = "Which frames are answered when more come in than can be"
                self._pause = button("Pause", self._toggle_pause, icon="pause")
                models.button()
                ExportMenu(service)
                theme.button()

    def show(self, board: Board) -> None:
        session = board.session
        self._doing.set_text(doing(session))
        model = session["model"]
        self._model.set_text(f"Model {model['id']}: {model_name(model)}{_simulated(model)}")
        self._model.props["title"] = str(model["place"])
        self._policy.set_value(session["policy"])
        paused = session["paused"]
        self._pause.set_text("Resume" if paused else "Pause")
        self._pause.set_icon("play_arrow" if paused else "pause")
        skipped = session["counts"]["skipped"]
        self._skipped.set_text(f"Process {skipped:,} skipped")
        self._skipped.set_visibility(skipped > 0)
        failed = session["counts"]["failed"]
        self._failed.set_text(f"Try {failed:,} again")
        self._failed.set_visibility(failed > 0)

    async def _toggle_pause(self) -> None:
        await attempt(self._client, partial(self._service.pause, not self._service.is_paused))

    async def _set_policy(self, event: Any) -> None:
        if event.value != self._service.policy:
            await attempt(self._client, partial(self._service.set_policy, event.value))

    async def _process_skipped(self) -> None:
        await attempt(self._client, self._service.process_skipped, "Skipped frames are answered when nothing waits.")

    async def _process_failed(self) -> None:
        await attempt(self._client, self._service.process_failed, "They are tried again when nothing else waits.")


def doing(session: Any) -> str:
    """In a few words."""
    waiting = session["waiting"]
    behind = f", {count(waiting, 'frame')} waiting" if waiting else ""
    if session["stalled"]:
        return f"Intake waits{behind}"
    if session["paused"]:
        return f"Paused{behind}"
    if session["answering"] is not None:
        return f"Answering frame {session['answering']}{behind}"
    return f"Ready{behind}"


def _simulated(model: Any) -> str:
    return " (trained with simulated images)" if model["simulated"] else ""

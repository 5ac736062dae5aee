"""Models: which one answers, how to adapt one to what comes in, and how to go back."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from nicegui import ui

from emgen.copilot.page.actions import Text, attempt, box, button
from emgen.copilot.page.facts import Board
from emgen.copilot.page.numbers import plain
from emgen.copilot.service import Service

FOUND_OUT = "found out from the frames"


class ModelMenu:
    """Its menu in the header; its methods are what the banners' buttons do too."""

    def __init__(self, service: Service) -> None:
        self.service, self._client = service, ui.context.client
        self._adaptation: Any = getattr(service, "adaptation", None)

    def button(self) -> None:
        with button("Model", lambda: None, icon="tune"), ui.menu().props("auto-close"):
            if self._adaptation is not None:
                ui.menu_item("Adapt to the frames of now …", on_click=self.ask_to_adapt)
                self._compare = ui.menu_item("Compare the adapted model …", on_click=self.compare)
            self._back = ui.menu_item("Go back to the model before", on_click=self.go_back)

    def show(self, board: Board) -> None:
        self._back.set_enabled(board.session["models"] > 1)
        if self._adaptation is not None:
            self._compare.set_enabled(bool(board.adaptation and board.adaptation["comparison"]))

    def ask_to_adapt(self) -> None:
        """Asks for the modality, says how long it may take, and starts."""
        told, newest = self._adaptation.told(), self.service.settings.adapt_frames
        with self._client, _dialog() as dialog, ui.card():
            ui.label("Adapt the model to the frames of now").classes("title")
            ui.label(
                f"A new model is made for the {newest} newest frames, without labels. The present model goes on "
                "answering meanwhile. One that is clearly better is used from then on; you can go back at any time."
            )
            modality = ui.select([FOUND_OUT, *told["modalities"]], value=FOUND_OUT, label="Modality of the frames")
            minutes = ui.number("Minutes at most", value=told["minutes"], min=1, max=1440, precision=0)
            with box("div", "buttons"):
                button("Cancel", dialog.close)
                button("Adapt", lambda: self._adapt(dialog, modality.value, minutes.value), strong=True)
        dialog.open()

    async def _adapt(self, dialog: ui.dialog, modality: str, minutes: float | None) -> None:
        dialog.close()
        chosen = None if modality == FOUND_OUT else modality
        await attempt(self._client, partial(self._adaptation.start, chosen, minutes or None))

    async def stop(self) -> None:
        await attempt(self._client, self._adaptation.stop, "The adaptation is stopped.")

    def compare(self) -> None:
        """Shows the adapted model beside the present one."""
        found = self._adaptation.told()["comparison"]
        if not found:
            return
        with self._client, _dialog() as dialog, ui.card():
            ui.label("The adapted model beside the present one").classes("title")
            with box("dl", "facts"):
                for name, value in comparison(found):
                    Text("dt", name)
                    Text("dd", value)
            ui.label(str(found["why"]))
            with box("div", "buttons"):
                button("Keep the present model", dialog.close, strong=not found["accepted"])
                button("Use the new model", lambda: self._use(dialog), strong=bool(found["accepted"]))
        dialog.open()

    async def _use(self, dialog: ui.dialog) -> None:
        dialog.close()
        await self.use_candidate()

    async def use_candidate(self) -> None:
        await attempt(self._client, self._adaptation.use_candidate, "The new model answers from now on.")

    async def go_back(self) -> None:
        await attempt(self._client, self.service.go_back, "The model before answers from now on.")


def _dialog() -> ui.dialog:
    """Gone from the page once it is closed."""
    made = ui.dialog()
    made.on("hide", made.delete)
    return made


def comparison(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Names and values of ``adaptation.told()["comparison"]``."""
    interval = f"{plain(found['difference'])} ({plain(found['low'])} to {plain(found['high'])}, 95 %)"
    return [
        ("New model", plain(found["new"])),
        ("Present model", plain(found["old"])),
        ("Difference", interval),
        ("Better beyond doubt", "yes" if found["accepted"] else "no"),
    ]

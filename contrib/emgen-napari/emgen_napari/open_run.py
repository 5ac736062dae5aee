"""The widget "Open run": what a run holds, as layers."""

from __future__ import annotations

from typing import Any

from napari.layers import Layer
from qtpy.QtWidgets import QCheckBox, QPushButton, QVBoxLayout, QWidget

from emgen.errors import EmgenError
from emgen_napari.choosing import FolderLine, Message
from emgen_napari.runs import PARTS, RunFolder


class OpenRun(QWidget):
    """Choose a run folder, choose what of it to see, open it."""

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self.viewer = napari_viewer
        self.line = FolderLine("Folder of the run", self)
        self.line.edit.textChanged.connect(self._look)
        self.boxes = {part: QCheckBox(part[0].upper() + part[1:], self) for part in PARTS}
        self.button = QPushButton("Open", self)
        self.button.clicked.connect(self.open)
        self.message = Message(self)
        column = QVBoxLayout(self)
        for part in (self.line, *self.boxes.values(), self.button, self.message):
            column.addWidget(part)
        column.addStretch()
        self._look()

    def _look(self) -> None:
        """Boxes for what the folder holds, and what its model is."""
        available: list[str] = []
        if not self.line.edit.text().strip():
            self.message.tell("")
        else:
            try:
                run = RunFolder.open(self.line.folder)
                available = run.available()
                self.message.tell(run.describe())
            except EmgenError as error:
                self.message.complain(error)
        for part, box in self.boxes.items():
            box.setEnabled(part in available)
            box.setChecked(part in available)
        self.button.setEnabled(bool(available))

    def open(self) -> None:
        """Adds a layer each; what cannot be read says why."""
        chosen = [part for part, box in self.boxes.items() if box.isChecked()]
        try:
            run = RunFolder.open(self.line.folder)
            for data in run.layers(chosen):
                self.viewer.add_layer(Layer.create(*data))
            self.message.tell(run.describe())
        except EmgenError as error:
            self.message.complain(error)

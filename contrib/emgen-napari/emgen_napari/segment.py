"""The widget "Segment layer": a model of emgen on an image layer, in a thread of its own."""

from __future__ import annotations

from typing import Any

from napari.layers import Image, Layer
from napari.qt.threading import thread_worker
from qtpy.QtWidgets import QComboBox, QFileDialog, QFormLayout, QHBoxLayout, QProgressBar, QPushButton, QWidget

from emgen.errors import EmgenError
from emgen.model import PRETRAINED
from emgen_napari.choosing import Message
from emgen_napari.layers import pixel_size_nm
from emgen_napari.segmenting import Segmented, segment_planes


class SegmentLayer(QWidget):
    """Choose an image layer and a model; the result is a Labels layer with the particle table as its features."""

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self.viewer = napari_viewer
        self.worker: Any = None
        self.layers = QComboBox(self)
        self.models = QComboBox(self)
        self.models.setEditable(True)
        self.models.addItem(PRETRAINED)
        self.size = Message(self)
        self.progress = QProgressBar(self)
        self.progress.setVisible(False)
        self.button, self.stop = QPushButton("Segment", self), QPushButton("Stop", self)
        self.button.clicked.connect(self.segment)
        self.stop.clicked.connect(self._quit)
        self.message = Message(self)
        self._arrange()
        self.layers.currentIndexChanged.connect(self._show_size)
        for event in (self.viewer.layers.events.inserted, self.viewer.layers.events.removed):
            event.connect(self._list_layers)
        self.viewer.layers.selection.events.active.connect(self._follow)
        self._list_layers()
        self._busy(False)

    def _arrange(self) -> None:
        browse = QPushButton("Browse…", self)
        browse.clicked.connect(self._browse)
        model, buttons = QHBoxLayout(), QHBoxLayout()
        model.addWidget(self.models, 1)
        model.addWidget(browse)
        buttons.addWidget(self.button)
        buttons.addWidget(self.stop)
        form = QFormLayout(self)
        form.addRow("Layer", self.layers)
        form.addRow("Pixel size", self.size)
        form.addRow("Model", model)
        form.addRow(buttons)
        form.addRow(self.progress)
        form.addRow(self.message)

    def _browse(self) -> None:
        if chosen := QFileDialog.getExistingDirectory(self, "Folder of a model or a run"):
            self.models.setCurrentText(chosen)

    def _list_layers(self, event: Any = None) -> None:
        """The image layers, and the models of runs that some of them are from."""
        shown = self.layers.currentText()
        images = [layer for layer in self.viewer.layers if isinstance(layer, Image)]
        self.layers.clear()
        self.layers.addItems([layer.name for layer in images])
        if shown in [layer.name for layer in images]:
            self.layers.setCurrentText(shown)
        for layer in images:
            run = layer.metadata.get("emgen", {}).get("run")
            if run and self.models.findText(run) < 0:
                self.models.addItem(run)
        self._show_size()

    def _follow(self, event: Any = None) -> None:
        active = self.viewer.layers.selection.active
        if isinstance(active, Image):
            self.layers.setCurrentText(active.name)
        self._show_size()

    @property
    def layer(self) -> Any:
        """The chosen image layer; ``None`` where there is none."""
        name = self.layers.currentText()
        return next((layer for layer in self.viewer.layers if layer.name == name), None)

    def _show_size(self, index: int = 0) -> None:
        self.button.setEnabled(self.layer is not None and self.worker is None)
        if self.layer is None:
            self.size.tell("open an image first")
            return
        try:
            size = pixel_size_nm(self.layer)
        except EmgenError as error:
            self.size.complain(error)
            return
        self.size.tell("unknown, results are in pixels" if size is None else f"{size:.4g} nm, from the layer's scale")

    def segment(self) -> None:
        """Starts the work; the window stays usable. Errors are told in the widget."""
        if self.layer is None or self.worker is not None:
            return
        layer = self.layer
        work = thread_worker(segment_planes, ignore_errors=True)(  # they are told in the widget
            layer, self.models.currentText().strip() or PRETRAINED
        )
        work.yielded.connect(lambda found: self._told(found, layer))
        work.errored.connect(self._failed)
        work.aborted.connect(lambda: self.message.tell("stopped"))
        work.finished.connect(lambda: self._busy(False))
        self.worker = work
        self._busy(True)
        self.message.tell("loading the model …")
        work.start()

    def _told(self, found: tuple[int, int] | Segmented, layer: Any) -> None:
        if isinstance(found, Segmented):
            self._add(found, layer)
            return
        done, total = found
        self.progress.setRange(0, total)
        self.progress.setValue(done)
        self.message.tell(f"{done} of {total}")

    def _add(self, found: Segmented, layer: Any) -> None:
        settings = {"scale": layer.scale, "units": layer.units, "translate": layer.translate}
        about = {"emgen": {"model": self.models.currentText(), "pixel_size_nm": found.pixel_size_nm}}
        settings |= {"name": f"particles of {layer.name}", "features": found.features, "metadata": about}
        self.viewer.add_layer(Layer.create(found.labels, settings, "labels"))
        self.message.tell(found.in_words())

    def _failed(self, error: BaseException) -> None:
        self.message.complain(error)

    def _quit(self) -> None:
        """After the picture that it is at."""
        if self.worker is not None:
            self.worker.quit()
            self.message.tell("stopping …")

    def _busy(self, busy: bool) -> None:
        if not busy:
            self.worker = None
        self.progress.setVisible(busy)
        self.progress.setRange(0, 0)  # moves until the first picture is done
        self.stop.setEnabled(busy)
        self.button.setEnabled(not busy and self.layer is not None)

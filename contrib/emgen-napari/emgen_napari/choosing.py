"""Parts that both widgets have: a line with a folder in it, and a line that says how it went."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QLabel, QLineEdit, QPushButton, QWidget


class FolderLine(QWidget):
    """A folder, typed or looked for. ``edit`` is the line itself."""

    def __init__(self, title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._title = title
        self.edit = QLineEdit(self)
        self.edit.setPlaceholderText(title)
        button = QPushButton("Browse…", self)
        button.clicked.connect(self._browse)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.edit, 1)
        row.addWidget(button)

    @property
    def folder(self) -> Path:
        return Path(self.edit.text().strip()).expanduser()

    def _browse(self) -> None:
        if chosen := QFileDialog.getExistingDirectory(self, self._title, self.edit.text()):
            self.edit.setText(chosen)


class Message(QLabel):
    """What was done, or why it was not."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWordWrap(True)

    def tell(self, text: str) -> None:
        self.setStyleSheet("")
        self.setText(text)

    def complain(self, error: BaseException) -> None:
        self.setStyleSheet("color: #d9534f")
        self.setText(str(error) or type(error).__name__)

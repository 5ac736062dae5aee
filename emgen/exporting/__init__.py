"""A trained model, or what a run made, for use elsewhere: one function a format.

Each is called as ``Export`` says. To add a format, add a line to ``FORMATS``; it is imported when it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from emgen.errors import SpecError, did_you_mean, listing

if TYPE_CHECKING:
    from emgen.host import Host

FORMATS: Mapping[str, str] = {
    "onnx": "emgen.exporting.to_onnx:export_onnx",
    "bioimageio": "emgen.exporting.to_bioimageio:export_bioimageio",
    "dataset": "emgen.writing.dataset:export_dataset",
}
"""Name to ``"package.module:function"``."""


class Export(Protocol):
    """What stands behind a format: writes ``out``, or a name of its own in the working folder, and says where."""

    def __call__(
        self,
        source: str | Path,
        out: Path | None,
        *,
        host: Host,
        device: str,
        tell: Callable[[str], None],
        **options: Any,
    ) -> Path:
        """``source``: a model folder, a run folder, an exported file or ``pretrained``. ``tell`` gets lines of text.
        ``options``: of ``OPTIONS``.

        Nothing stands at the place of the result until it is complete.
        """
        ...


OPTIONS: Mapping[str, tuple[str, ...]] = {
    "bioimageio": ("author", "licence"),
    "dataset": ("generation", "licence", "workers", "scheduler"),
}
"""What a format takes besides."""


def export(
    source: str | Path,
    format: str,
    out: Path | None,
    *,
    host: Host,
    device: str,
    tell: Callable[[str], None],
    **options: Any,
) -> Path:
    """Writes ``source`` in a format. Raises ``SpecError`` for an unknown one or an option of another, and what that
    format raises."""
    from emgen.host import resolve

    if format not in FORMATS:
        raise SpecError(f'format: there is no "{format}".{did_you_mean(format, FORMATS)} Known: {listing(FORMATS)}.')
    for name in options:
        if name not in OPTIONS.get(format, ()):
            takers = listing(other for other, names in OPTIONS.items() if name in names)
            raise SpecError(f'{name}: the format "{format}" takes no such option; of {takers} it is one.')
    function: Export = resolve(FORMATS[format])
    return function(source, out, host=host, device=device, tell=tell, **options)

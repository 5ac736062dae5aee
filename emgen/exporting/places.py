"""Where an exported file goes, and what must be installed to make one."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from emgen.errors import OutputError, PreflightError

_SAFE = "-_. "


def place(source: str | Path, out: Path | None, suffix: str) -> Path:
    """The file to write: ``out``, or the name of the model and ``suffix`` in the working folder.

    >>> str(place("runs/first/model", None, ".onnx"))
    'first.onnx'

    Raises ``OutputError`` for one that is a folder, ends otherwise, lies in no folder or is the source itself.
    """
    path = Path(f"{model_name(source)}{suffix}") if out is None else out
    ending = "." + suffix.rpartition(".")[2]
    if path.is_dir():
        raise OutputError(f"{path}: is a folder. Give a file that ends in `{ending}`, or no --out.")
    if path.suffix.lower() != ending:
        raise OutputError(f"{path}: the file must end in `{ending}`, by which others know what it is.")
    if path.exists() and path.resolve() == Path(source).resolve():
        raise OutputError(f"{path}: is the model itself. Choose another --out.")
    if not path.parent.is_dir():
        raise OutputError(f"{path}: there is no folder {path.parent}. Make it first, or choose another --out.")
    return path


def model_name(source: str | Path) -> str:
    """A name for a model: that of its run, its folder or its file, of letters, digits and ``-_. ``.

    >>> model_name("runs/first/model"), model_name("pretrained"), model_name("models/gold.onnx")
    ('first', 'pretrained', 'gold')
    """
    path = Path(source).expanduser().resolve()
    name = path.parent.name if path.name == "model" else path.name.removesuffix(".onnx")
    return "".join(letter if letter.isalnum() or letter in _SAFE else "-" for letter in name) or "model"


def need(extra: str, *modules: str) -> None:
    """Raises ``PreflightError`` that names the extra when a module is not installed."""
    missing = [module for module in modules if not installed(module)]
    if missing:
        raise PreflightError(f"{', '.join(missing)} must be installed for this: pip install 'emgen[{extra}]'")


def installed(module: str) -> bool:
    """Whether a module can be found, without importing it.

    >>> installed("json"), installed("no.such.module")
    (True, False)
    """
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False

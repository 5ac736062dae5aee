"""What an exported ONNX file says of itself, as ``metadata_props``: texts by name.

``emgen_format``: the layout described here. ``emgen_model``: ``model.json`` of the model as JSON, and ``exported``, by
what the file was written. ``emgen_input``, ``emgen_output``: what goes in and what comes out, in words.
``emgen_file/PATH``: in base64 what else a model folder holds: what the rough segmenter that finds a micrograph's scale
has learnt (``finder/``), and what the model does to sizes (``response.json``), where there is any.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from emgen.errors import ModelError

LAYOUT = 1
_FORMAT, _MODEL = "emgen_format", "emgen_model"
_FILE = "emgen_file/"
_NEEDED = ("task", "modality", "polarity", "working_diameter")


def texts(info: Mapping[str, Any], folder: Path) -> dict[str, str]:
    """The metadata of a model. ``folder``: what goes with it beside its network, as in a model folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        _FORMAT: str(LAYOUT),
        _MODEL: json.dumps(info, sort_keys=True),
        "emgen_input": f"(N, 1, H, W) float32 in [0, 1]: micrographs normalised as of modality {info['modality']}, "
        f"resized until particles are about {info['working_diameter']:g} px across; any N, H, W",
        "emgen_output": "(N, 1, H, W) float32 in [0, 1]: probability of particle",
        **{_FILE + path.relative_to(folder).as_posix(): _encoded(path) for path in files},
    }


def info_of(metadata: Mapping[str, str], path: Path) -> dict[str, Any]:
    """What ``model.json`` said. Raises ``ModelError`` where there is none, or one of another layout or format."""
    from emgen.model import FORMAT

    if _FORMAT not in metadata:
        raise ModelError(
            f"{path}: an ONNX file, but it does not say how emgen is to use it (no {_FORMAT} in its metadata). Give a "
            "file that `emgen export MODEL --format onnx` wrote."
        )
    if metadata[_FORMAT] != str(LAYOUT):
        raise ModelError(
            f"{path}: exported in format {metadata[_FORMAT]}; this emgen reads format {LAYOUT}. Update it."
        )
    try:
        info: dict[str, Any] = json.loads(metadata.get(_MODEL, ""))
        missing = [name for name in _NEEDED if name not in info]
    except (ValueError, TypeError) as error:
        raise ModelError(f"{path}: its metadata {_MODEL} are not readable ({error}). Export it again.") from error
    if missing:
        raise ModelError(f"{path}: its metadata {_MODEL} lack {', '.join(missing)}. Export it again.")
    if info.get("format") != FORMAT:
        raise ModelError(f"{path}: holds a model of format {info.get('format')!r}; this emgen reads format {FORMAT}")
    return info


def unpack(metadata: Mapping[str, str], folder: Path, source: Path) -> None:
    """Writes the files of the metadata as they lay in the model folder. Raises ``ModelError``."""
    for name in metadata:
        if not name.startswith(_FILE):
            continue
        inside = PurePosixPath(name.removeprefix(_FILE))
        if inside.is_absolute() or ".." in inside.parts or "\\" in str(inside) or ":" in str(inside):
            raise ModelError(f"{source}: its metadata name a file outside the model, {str(inside)!r}; do not use it.")
        path = folder / inside
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            path.write_bytes(base64.b64decode(metadata[name], validate=True))
        except binascii.Error as error:
            raise ModelError(f"{source}: its metadata {name} are not base64 ({error}). Export it again.") from error


def _encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode("ascii")

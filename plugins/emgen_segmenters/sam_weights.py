"""Are the weights of Segment Anything there? Asked before hours are spent."""

from __future__ import annotations

import os
from pathlib import Path

from emgen.errors import PreflightError
from emgen_segmenters.config import SamConfig

_OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
_WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
_KINDS = ("sam", "sam2", "sam2_video", "sam_hq", "sam3_tracker", "sam3_video", "edgetam", "edgetam_video")
"""``model_type`` of the families that have the automatic mode in ``transformers``."""


def check(config: SamConfig, device: str) -> None:
    """Raises ``PreflightError`` with the way out. Asks the network only when nothing is cached and it isn't barred."""
    model = config.model
    folder = Path(model).expanduser()
    if folder.is_dir():
        _check_folder(folder)
    elif folder.is_absolute() or model.startswith((".", "~")) or model.count("/") != 1:
        raise PreflightError(
            f"rough_segmenter sam: model: {model!r} is neither a folder that exists nor a Hugging Face id "
            "(`owner/name`, e.g. facebook/sam-vit-base)."
        )
    elif not _cached(model):
        _check_hub(model)


def _check_folder(folder: Path) -> None:
    import json

    try:
        kind = json.loads((folder / "config.json").read_text()).get("model_type")
    except (OSError, ValueError) as error:
        raise PreflightError(
            f"rough_segmenter sam: model: {folder}/config.json cannot be read ({error}). Give a folder as "
            "`save_pretrained` or `hf download` writes it."
        ) from error
    if kind not in _KINDS:
        raise PreflightError(
            f"rough_segmenter sam: model: {folder} holds a {kind!r} model, none of {', '.join(_KINDS)}"
        )
    if not any((folder / name).is_file() for name in _WEIGHTS):
        raise PreflightError(
            f"rough_segmenter sam: model: {folder} holds no model.safetensors. Fetch the whole repository, "
            f"e.g. `hf download facebook/sam-vit-base --local-dir {folder}`."
        )


def _cached(model: str) -> bool:
    from huggingface_hub import try_to_load_from_cache

    found = {name: isinstance(try_to_load_from_cache(model, name), str) for name in ("config.json", *_WEIGHTS)}
    return found["config.json"] and any(found[name] for name in _WEIGHTS)


def _check_hub(model: str) -> None:
    from huggingface_hub import hf_hub_download

    missing = f"rough_segmenter sam: the weights of {model!r} are not in the cache"
    way_out = (
        f"Fetch them once with `hf download {model}` (older: `huggingface-cli download {model}`) while connected, "
        "or set `model:` to a local folder that holds them, or use `rough_segmenter: threshold`, which needs none."
    )
    barred = [name for name in _OFFLINE if os.environ.get(name, "").lower() in ("1", "true", "yes", "on")]
    if barred:
        raise PreflightError(f"{missing}, and {barred[0]} bars the network. {way_out}")
    try:
        hf_hub_download(model, "config.json", etag_timeout=5)
    except Exception as error:  # hub, HTTP and socket errors of many kinds, all with the same way out
        cause = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise PreflightError(f"{missing} and cannot be fetched ({cause}). {way_out}") from error

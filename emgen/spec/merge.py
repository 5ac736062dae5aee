"""Trees laid over each other. A later one wins field by field; a slot with another plugin is replaced as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from emgen.spec.slots import SLOTS, as_settings

SECTIONS = ("data", "split", "virtual", "gate", "checkpoints", "metrics")
"""Empty where all lines under the heading are commented out; then the defaults stand."""


def merge_trees(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    """``upper`` over ``lower``; neither is changed.

    >>> merge_trees({"data": {"crop": 128}, "contrast_gan": {"uses": "a", "x": 1}}, {"contrast_gan": "b"})
    {'data': {'crop': 128}, 'contrast_gan': {'uses': 'b'}}
    """
    merged = dict(lower)
    for key, value in upper.items():
        if key in SECTIONS and value is None:
            continue
        merged[key] = merge_slot(merged.get(key), value) if key in SLOTS else _deep(merged.get(key), value)
    return merged


def merge_slot(lower: Any, upper: Any) -> Any:
    """Settings without a name, or with the same, go over those below; another name starts anew."""
    below, above = as_settings(lower), as_settings(upper)
    if not isinstance(above, dict) or not isinstance(below, dict):
        return above
    return _deep(below, above) if above.get("uses", below.get("uses")) == below.get("uses") else above


def _deep(lower: Any, upper: Any) -> Any:
    if not (isinstance(lower, Mapping) and isinstance(upper, Mapping)):
        return upper
    return {**lower, **{key: _deep(lower.get(key), value) for key, value in upper.items()}}

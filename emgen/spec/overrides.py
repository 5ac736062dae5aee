"""``--set a.b=c``: one value changed from the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from emgen.errors import SpecError, did_you_mean, listing
from emgen.spec.merge import merge_slot
from emgen.spec.slots import SLOTS, as_settings

LISTS_OF_PLUGINS = ("metrics",)


@dataclass(frozen=True, slots=True)
class Override:
    """``path`` gets ``value``; ``text`` is what the user wrote."""

    path: tuple[str, ...]
    value: Any
    text: str


def parse_override(text: str) -> Override:
    """
    >>> parse_override("data.crop=256")
    Override(path=('data', 'crop'), value=256, text='data.crop=256')

    The value is YAML: ``metrics=[ssim, psnr]``, ``data.pixel_size_nm=null``. Raises ``SpecError``.
    """
    name, equals, written = text.partition("=")
    path = tuple(part.strip() for part in name.split("."))
    if not equals or not all(path):
        raise SpecError(f'--set {text}: write field=value, with dots inside a field, e.g. --set "data.crop=256".')
    try:
        value = yaml.safe_load(written)
    except yaml.YAMLError as error:
        cause = getattr(error, "problem", None) or error
        raise SpecError(f"--set {text}: the value is not valid YAML ({cause}). Put it in quotes.") from None
    return Override(path, value, text)


def apply_override(tree: dict[str, Any], override: Override) -> dict[str, Any]:
    """A copy of ``tree`` with the value in its place. Raises ``SpecError`` where there is no such place."""
    head, *rest = override.path
    changed = _assign(tree.get(head), tuple(rest), override, at=head)
    return {**tree, head: changed}


def _assign(node: Any, path: Sequence[str], override: Override, at: str) -> Any:
    if at in SLOTS and path in ((), ("uses",)):
        return merge_slot(node, {"uses": override.value} if path else override.value)
    if not path:
        return override.value
    if isinstance(node, list):
        return _assign_in_list(node, path, override, at)
    if at in SLOTS or at.rpartition(".")[0] in LISTS_OF_PLUGINS:
        node = as_settings(node)
    if node is not None and not isinstance(node, Mapping):
        raise SpecError(f"--set {override.text}: {at} is {node!r} and has no fields.")
    inside = dict(node or {})
    inside[path[0]] = _assign(inside.get(path[0]), path[1:], override, f"{at}.{path[0]}")
    return inside


def _assign_in_list(items: Sequence[Any], path: Sequence[str], override: Override, at: str) -> list[Any]:
    """An entry is named by its index from 0, a metric also by its name."""
    names = [as_settings(item).get("uses") if isinstance(item, str | Mapping) else None for item in items]
    known = [str(i) for i in range(len(items))]
    if at in LISTS_OF_PLUGINS:
        known += [str(name) for name in names]
    if path[0] not in known:
        raise SpecError(
            f'--set {override.text}: {at} has no entry "{path[0]}".{did_you_mean(path[0], known)} '
            f"There are: {listing(known)}. A whole list is set with --set {at}=[...]."
        )
    index = int(path[0]) if path[0].isdecimal() else names.index(path[0])
    changed = list(items)
    changed[index] = _assign(changed[index], path[1:], override, f"{at}.{index}")
    return changed

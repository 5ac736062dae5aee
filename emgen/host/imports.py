"""Turn ``"package.module:attribute"`` into the thing itself, when it is first needed."""

from __future__ import annotations

import re
from functools import reduce
from importlib import import_module
from typing import Any

TARGET = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


def is_target(text: object) -> bool:
    """Whether ``text`` has the form ``package.module:attribute``; nothing is imported.

    >>> is_target("emgen_pix2pix.gan:Pix2Pix"), is_target("emgen_pix2pix.gan.Pix2Pix")
    (True, False)
    """
    return isinstance(text, str) and TARGET.fullmatch(text) is not None


def resolve(target: str) -> Any:
    """Import the module and return the attribute.

    Raises ``ValueError`` for another form, ``ImportError`` or ``AttributeError`` where module or attribute is missing,
    and whatever the module raises while it is imported.

    >>> resolve("math:pi") > 3
    True
    """
    if not is_target(target):
        raise ValueError(f'"{target}" is not of the form "package.module:attribute"')
    module, _, attribute = target.partition(":")
    return reduce(getattr, attribute.split("."), import_module(module))

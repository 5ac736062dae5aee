"""The reading part of ncempy, and nothing else of it.

The distribution ncempy names two licences: its ``io`` folder is MIT, everything else GPL-3.0-or-later (its README says
so; the files have no headers). ``import ncempy.io`` would first run ``ncempy/__init__.py``, which imports the GPL
parts, and matplotlib with them. The modules of ``io`` need none of that, so each is loaded from its file, under a name
of its own.
"""

from __future__ import annotations

import sys
from functools import cache
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Literal


@cache
def ncempy_io(name: Literal["dm", "ser", "emd", "emdVelox"]) -> ModuleType:
    """The module ``ncempy/io/<name>.py``. Raises ``ImportError`` where ncempy is not installed or has no such file."""
    package = find_spec("ncempy")  # finds it, runs nothing of it
    if package is None or not package.submodule_search_locations:
        raise ImportError("ncempy is not installed: pip install ncempy")
    file = Path(package.submodule_search_locations[0]) / "io" / f"{name}.py"
    spec = spec_from_file_location(f"emgen_readers._ncempy_{name}", file)
    if spec is None or spec.loader is None or not file.is_file():
        raise ImportError(f"ncempy has no {file}; emgen needs ncempy 1.14 or later")
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module

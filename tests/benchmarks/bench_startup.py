"""How soon the commands answer that are typed to look around, beside the import of torch alone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from timing import Comparison, Work

SPEC = "images: images/*.tif\nmodality: haadf-stem\n"


def look(*arguments: str) -> None:
    """Runs Python in a process of its own."""
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)


def work(*arguments: str) -> Callable[[Path], Work]:
    def prepare(folder: Path) -> Work:
        from emgen.testing.phantoms import phantom_stack, write_phantoms

        write_phantoms(folder / "images", phantom_stack(6, (256, 256), seed=3, diameter=14.0))
        (folder / "spec.yaml").write_text(SPEC)
        ours = [argument.format(spec=folder / "spec.yaml") for argument in arguments]
        return Work(rival=partial(look, "-c", "import torch"), ours=partial(look, "-m", "emgen", *ours))

    return prepare


COMPARISONS = [
    Comparison(name=f"emgen {' '.join(shown)}", rival="import torch", prepare=work(*arguments), limit_s=0.5)
    for shown, arguments in [
        (["--help"], ["--help"]),
        (["plugins", "list"], ["plugins", "list"]),
        (["validate", "SPEC"], ["validate", "{spec}"]),
    ]
]

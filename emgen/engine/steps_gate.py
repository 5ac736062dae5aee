"""The gate after each GAN stage: do the images show what their labels say?"""

from __future__ import annotations

from emgen.artifacts import StackRef
from emgen.engine.bench import Bench
from emgen.engine.handles import Generation, Parts


def gate(bench: Bench, images: StackRef, labels: StackRef, parts: Parts, *, label: str) -> Generation:
    """(N, H, W) images and their instances -> those that may be trained on, with their labels."""
    return Generation(images, labels)

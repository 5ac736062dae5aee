"""Are the labelled micrographs of a spec there, and do they pair with their masks?"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from emgen.spec.model import Spec
from emgen.spec.obstacles import Obstacle, attempt
from emgen.spec.slots import reading_host

if TYPE_CHECKING:
    from emgen.host import Host


def check_labelled(spec: Spec, host: Host, found: list[Obstacle]) -> None:
    """Reads every pair once; what does not pair is added to ``found``. They are few, so this takes no time."""
    from emgen.data.labelled import Pair, find_pairs, read_pair

    if spec.labelled is None:
        return
    host = reading_host(spec.data.reader, host)
    pairs: list[Pair] = []

    def find() -> None:
        assert spec.labelled is not None
        pairs.extend(find_pairs(spec.labelled.images, spec.labelled.masks, spec.base, host))

    attempt("labelled", found, "finding the labelled micrographs", find)
    for pair in pairs:
        attempt("labelled", found, str(pair.image), partial(read_pair, pair, host, spec.modality))

"""How many planted faults the check of label fidelity finds, and how often it raises a false alarm.

``python -m emgen.testing.fault_finding`` prints both for phantoms of either modality over three seeds.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from emgen.fidelity import Judged, Limits, check
from emgen.stages import Polarity
from emgen.testing.faults import FAULTS, Fault, Planted, plant
from emgen.testing.phantoms import MODALITIES, Phantom, phantom_micrographs, phantom_stack

SHARES: dict[Fault, float] = {"erased": 0.1, "inverted": 0.1, "shifted": 0.1, "invented": 0.1}
"""Of the particles of each image."""


@dataclass
class Found:
    """Counts by fault: ``planted``, ``found`` (reported as any fault), ``named`` (as that fault); of sound particles
    how many there are and how many each false alarm took. An invented spot is one where none was planted."""

    planted: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    named: Counter[str] = field(default_factory=Counter)
    false: Counter[str] = field(default_factory=Counter)
    sound: int = 0

    def recall(self, fault: str) -> float:
        return self.found[fault] / self.planted[fault] if self.planted[fault] else float("nan")

    def false_alarms(self, fault: str | None = None) -> float:
        """Per sound particle, of one kind or of all."""
        wrong = self.false[fault] if fault else sum(self.false.values())
        return wrong / max(self.sound, 1)

    def merge(self, other: Found) -> None:
        """Counts of both."""
        for mine, others in ((self.planted, other.planted), (self.found, other.found), (self.named, other.named)):
            mine.update(others)
        self.false.update(other.false)
        self.sound += other.sound

    def add(self, planted: Planted, judged: Judged) -> None:
        for label, verdict in judged.verdicts.items():
            fault = planted.faults.get(label)
            if fault:
                self.planted[fault] += 1
                self.found[fault] += verdict not in ("sound", "unknown")
                self.named[fault] += verdict == fault
            else:
                self.sound += 1
                self.false[verdict] += verdict in FAULTS
        known = set()
        for y, x, radius in planted.invented:
            near = {s for s in judged.invented if np.hypot(s[0] - y, s[1] - x) <= max(radius, 3.0)}
            self.planted["invented"] += 1
            self.found["invented"] += bool(near)
            self.named["invented"] += bool(near)
            known |= near
        self.false["invented"] += len(set(judged.invented) - known)


def phantoms(kind: str, modality: str, n: int, seed: int, side: int = 128) -> list[Phantom]:
    """``stack``: of one material; ``varied``: each of another. Those without a particle are left out."""
    if kind == "stack":
        found = phantom_stack(n, (side, side), seed=seed, modality=modality)
    else:
        found = phantom_micrographs(n, (side, side), seed=seed, modality=modality, diameter=(10, 20))
    return [phantom for phantom in found if phantom.label_HW.any()]


def find_planted(
    chosen: Sequence[Phantom], polarity: Polarity, seed: int, *, together: bool = True, limits: Limits | None = None
) -> Found:
    """Plants faults in phantoms and checks them, as one stack or each by itself (where they are no stack)."""
    rng = np.random.default_rng(seed)
    planted = [plant(phantom.image_HW, phantom.label_HW, SHARES, rng) for phantom in chosen]
    groups = [planted] if together else [[one] for one in planted]
    found = Found()
    for group in groups:
        images, labels = np.stack([one.image_HW for one in group]), np.stack([one.label_HW for one in group])
        for one, judged in zip(group, check(images, labels, polarity, limits), strict=True):
            found.add(one, judged)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=40, help="phantoms of each kind and seed")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=100)
    given = parser.parse_args()
    print(f"{'phantoms':<19}{'seed':>5}" + "".join(f"{fault:>16}" for fault in FAULTS) + f"{'false alarms':>16}")
    for modality in MODALITIES:
        polarity: Polarity = "bright" if modality == "haadf-stem" else "dark"
        for kind in ("stack", "varied"):
            pooled = Found()
            for seed in range(given.first_seed, given.first_seed + given.seeds):
                chosen = phantoms(kind, modality, given.images, seed)
                found = find_planted(chosen, polarity, seed, together=kind == "stack")
                print(f"{modality + ' ' + kind:<19}{seed:>5}" + _row(found), flush=True)
                pooled.merge(found)
            print(f"{modality + ' ' + kind:<19}{'all':>5}" + _row(pooled), flush=True)


def _row(found: Found) -> str:
    """Recall and number of each fault, false alarms in per cent of the sound particles: of labels, of inventions."""
    cells = [f"{found.recall(fault):>10.2f} ({found.planted[fault]:>3})" for fault in FAULTS]
    invented = found.false_alarms("invented")
    return "".join(cells) + f"{100 * (found.false_alarms() - invented):>9.1f} +{100 * invented:>4.1f} %"


if __name__ == "__main__":
    main()

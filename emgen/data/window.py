"""A rectangle of one micrograph."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """Rows ``y`` to ``y + height``, columns ``x`` to ``x + width`` of micrograph ``index``, in its own pixels."""

    index: int
    y: int
    x: int
    height: int
    width: int

    @property
    def area(self) -> int:
        return self.height * self.width

    @property
    def slices(self) -> tuple[slice, slice]:
        """For indexing the micrograph: ``image_HW[window.slices]``."""
        return slice(self.y, self.y + self.height), slice(self.x, self.x + self.width)

    def gap(self, other: Window) -> int:
        """Free pixels between two windows of one micrograph, along the axis where they are further apart.

        0 where they touch, negative where they overlap.

        >>> Window(0, 0, 0, 10, 10).gap(Window(0, 0, 14, 10, 10))
        4
        """
        vertical = max(self.y, other.y) - min(self.y + self.height, other.y + other.height)
        horizontal = max(self.x, other.x) - min(self.x + self.width, other.x + other.width)
        return max(vertical, horizontal)

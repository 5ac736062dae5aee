"""A folder of images of any size as one stack."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from emgen.data import Micrograph, expand_images, frame_name, resize_image
from emgen.data.stack import open_file, read_frame
from emgen.errors import BadImageError
from emgen.host import Host
from emgen.stages import FloatArray

Normalise = Callable[[NDArray[Any]], FloatArray]


class Images:
    """The images of a folder, file or glob: read one at a time, so that a folder need not fit into memory."""

    def __init__(self, where: Path, host: Host, normalise: Normalise | None) -> None:
        self.where, self._normalise = where, normalise
        stacks = [(path, open_file(path, host)) for path in expand_images([str(where)])]
        self._frames: list[tuple[Path, Sequence[Micrograph], int]] = [
            (path, stack, index) for path, stack in stacks for index in range(len(stack))
        ]
        self.names = [frame_name(path, index, len(stack)) for path, stack, index in self._frames]
        self.shapes_HW = [self._read(number).image_HW.shape for number in range(len(self._frames))]

    def __len__(self) -> int:
        return len(self._frames)

    def image(self, number: int) -> FloatArray:
        """(H, W) float32 in [0, 1]: by the modality's ``normalise``, else over the range of the file's type."""
        image_HW = self._read(number).image_HW
        if self._normalise is not None:
            return self._normalise(image_HW)
        if image_HW.dtype.kind in "iu":
            limits = np.iinfo(image_HW.dtype)
            return ((image_HW.astype(np.float32) - limits.min) / (limits.max - limits.min)).astype(np.float32)
        if image_HW.min() < 0 or image_HW.max() > 1:
            raise BadImageError(
                f"{self._frames[number][0]}: values from {image_HW.min():.4g} to {image_HW.max():.4g}. Floating-point "
                "images are in [0, 1]; name the modality (--modality) to have them normalised."
            )
        return image_HW.astype(np.float32)

    def _read(self, number: int) -> Micrograph:
        path, stack, frame = self._frames[number]
        return read_frame(stack, frame, path)


class SameSize:
    """Some of the images as a stack of one shape: cut to it in the centre, or reduced first, then cut."""

    def __init__(self, images: Images, numbers: Sequence[int], shape_HW: tuple[int, int], *, resize: bool) -> None:
        self._images, self._numbers, self._shape_HW, self._resize = images, numbers, shape_HW, resize

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self._numbers), *self._shape_HW)

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, index: int, /) -> NDArray[Any]: ...
    @overload
    def __getitem__(self, index: slice, /) -> NDArray[Any]: ...
    def __getitem__(self, index: int | slice, /) -> NDArray[Any]:
        if isinstance(index, slice):
            numbers = range(*index.indices(len(self)))
            return np.stack([self[number] for number in numbers]) if numbers else np.empty((0, *self._shape_HW))
        return self._fitted(self._images.image(self._numbers[index]))

    def _fitted(self, image_HW: FloatArray) -> FloatArray:
        if self._resize:
            factor = max(self._shape_HW) / min(image_HW.shape)
            image_HW = resize_image(image_HW, factor) if factor != 1 else image_HW
        (height, width), (wanted_h, wanted_w) = image_HW.shape, self._shape_HW
        top, left = (height - wanted_h) // 2, (width - wanted_w) // 2
        return image_HW[top : top + wanted_h, left : left + wanted_w]


def common_shape(shapes_HW: Sequence[tuple[int, ...]], *, resize: bool) -> tuple[int, int]:
    """The largest shape that every image can be cut to; with ``resize`` a square of the shortest side of all."""
    if resize:
        side = min(min(shape) for shape in shapes_HW)
        return side, side
    return min(shape[0] for shape in shapes_HW), min(shape[1] for shape in shapes_HW)

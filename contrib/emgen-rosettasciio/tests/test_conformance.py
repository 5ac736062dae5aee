"""The contract's checks, against the installed plugin, in the formats that RosettaSciIO writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest import SkipTest

import made
import pytest
from emgen_rosettasciio.formats import SUFFIXES
from emgen_rosettasciio.reader import RosettaReader

from emgen.testing import ReaderConformance


class TestRosettaSciIO(ReaderConformance):
    plugin = "rosettasciio"

    def suffixes(self) -> tuple[str, ...]:
        return (".hspy", ".emd")

    def write(self, path: Path, image_HW: Any) -> None:
        made.write(path, made.image_signal(image_HW))

    def write_series(self, path: Path, image_NHW: Any) -> None:
        """A frame a chunk, as a camera writes; RosettaSciIO itself puts small frames together into chunks of 1 MB."""
        made.write(path, made.image_signal(image_NHW), chunks=(1, *image_NHW.shape[1:]))


class TestNexus(TestRosettaSciIO):
    def suffixes(self) -> tuple[str, ...]:
        return (".nxs",)

    def write_series(self, path: Path, image_NHW: Any) -> None:
        raise SkipTest("RosettaSciIO writes NeXus in one chunk, so that a frame is not read without the others")


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.filterwarnings("ignore:Blockfile has unrecognized header")
def test_text_is_refused_whatever_its_suffix(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"text_000{suffix}"
    path.write_text("this is not an image\n" * 20)
    with pytest.raises(Exception):  # noqa: B017, PT011 (emgen makes a typed error of any)
        [micrograph.image_HW for micrograph in RosettaReader().open(path)]

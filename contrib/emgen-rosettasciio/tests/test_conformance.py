"""The contract's checks, against the installed plugin, in the formats that RosettaSciIO writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import made
import pytest
from emgen_rosettasciio.formats import SUFFIXES

from emgen.testing import ReaderConformance


class TestRosettaSciIO(ReaderConformance):
    plugin = "rosettasciio"

    def suffixes(self) -> tuple[str, ...]:
        return (".hspy", ".emd", ".nxs")

    def write(self, path: Path, image_HW: Any) -> None:
        made.write(path, made.image_signal(image_HW))

    @pytest.mark.parametrize("suffix", SUFFIXES)
    def test_text_is_refused_whatever_its_suffix(self, suffix: str, tmp_path: Path) -> None:
        path = tmp_path / f"text_000{suffix}"
        path.write_text("this is not an image\n" * 20)
        assert not self._reads(path)

"""The table of formats agrees with RosettaSciIO's own."""

from __future__ import annotations

import subprocess
import sys

import pytest
from emgen_rosettasciio.formats import FORMATS
from rsciio import IO_PLUGINS

from emgen.host import load_host


@pytest.mark.parametrize("suffix", FORMATS)
def test_rosettasciio_reads_this_suffix_with_this_module(suffix: str) -> None:
    readers = [entry["api"] for entry in IO_PLUGINS if suffix[1:] in map(str.lower, entry["file_extensions"])]
    assert FORMATS[suffix].module in readers


@pytest.mark.parametrize("suffix", FORMATS)
def test_no_other_format_of_rosettasciio_has_the_suffix_but_one_that_asks_for_another_package(suffix: str) -> None:
    readers = {entry["api"] for entry in IO_PLUGINS if suffix[1:] in map(str.lower, entry["file_extensions"])}
    assert readers <= {FORMATS[suffix].module, "rsciio.mrcz"}


def test_registering_imports_neither_rosettasciio_nor_what_it_needs() -> None:
    code = (
        "import sys, emgen_rosettasciio.plugin; print({'rsciio', 'dask', 'h5py', 'pint', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_what_emgen_says_this_package_opens_it_opens() -> None:
    """For a suffix that it cannot read, emgen names a package to install."""
    readers = [found.plugin for found in load_host().plugins("reader").values()]
    suggested = [
        suffix for plugin in readers for suffix, package in plugin.suggests.items() if package == "emgen-rosettasciio"
    ]
    assert ".hspy" in suggested
    assert set(suggested) <= set(FORMATS)

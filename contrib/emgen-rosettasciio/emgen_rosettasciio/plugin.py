"""Registers "rosettasciio". RosettaSciIO itself is imported when a file is opened."""

from __future__ import annotations

from emgen import hookimpl
from emgen.registration import ReaderPlugin
from emgen_rosettasciio.formats import SUFFIXES


@hookimpl
def emgen_readers() -> list[ReaderPlugin]:
    return [
        ReaderPlugin(
            name="rosettasciio",
            suffixes=SUFFIXES,
            create="emgen_rosettasciio.reader:RosettaReader",
            summary="HyperSpy, Velox, NCEM, TIA, DigitalMicrograph, TVIPS, Bruker, NeXus and more, by RosettaSciIO",
        )
    ]

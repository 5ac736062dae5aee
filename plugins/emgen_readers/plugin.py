"""Registers the image formats that come with emgen."""

from __future__ import annotations

from emgen import hookimpl
from emgen.registration import ReaderPlugin


@hookimpl
def emgen_readers() -> list[ReaderPlugin]:
    return [
        ReaderPlugin(
            name="tiff",
            suffixes=(".tif", ".tiff"),
            create="emgen_readers.tiff:TiffReader",
            summary="TIFF, OME-TIFF, ImageJ and FEI TIFF, one or many pages, with the pixel size",
        ),
        ReaderPlugin(
            name="png-jpeg",
            suffixes=(".png", ".jpg", ".jpeg", ".bmp"),
            create="emgen_readers.picture:PictureReader",
            summary="PNG, JPEG and BMP pictures; they hold no pixel size",
        ),
    ]

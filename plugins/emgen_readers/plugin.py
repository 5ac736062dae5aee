"""Registers the image formats that come with emgen."""

from __future__ import annotations

from emgen import hookimpl
from emgen.registration import ReaderPlugin, Signature

ROSETTASCIIO = "emgen-rosettasciio"
BY_ROSETTASCIIO = (".hspy", ".emi", ".de5", ".tvips", ".mib", ".blo", ".nxs", ".unf", ".rpl", ".bcf", ".asw", ".elid")
"""Formats of electron microscopy that RosettaSciIO reads: GPL, so in a distribution of its own."""


@hookimpl
def emgen_readers() -> list[ReaderPlugin]:
    return [
        ReaderPlugin(
            name="tiff",
            suffixes=(".tif", ".tiff"),
            create="emgen_readers.tiff:TiffReader",
            summary="TIFF, OME-TIFF, ImageJ, FEI, Zeiss and Gatan TIFF, one or many pages, with the pixel size",
            signatures=tuple(
                Signature(magic, "a TIFF") for magic in (b"II*\0", b"MM\0*", b"II+\0\x08\0", b"MM\0+\0\x08")
            ),
        ),
        ReaderPlugin(
            name="png-jpeg",
            suffixes=(".png", ".jpg", ".jpeg", ".bmp"),
            create="emgen_readers.picture:PictureReader",
            summary="PNG, JPEG and BMP pictures; they hold no pixel size",
            signatures=(
                Signature(b"\x89PNG\r\n\x1a\n", "a PNG picture"),
                Signature(b"\xff\xd8\xff", "a JPEG picture"),
                Signature(b"BM", "a BMP picture"),
            ),
        ),
        ReaderPlugin(
            name="mrc",
            suffixes=(".mrc", ".mrcs", ".st", ".rec", ".map", ".ali"),
            create="emgen_readers.mrc:MrcReader",
            summary="MRC images, stacks, movies and volumes, with the pixel size",
            signatures=(Signature(b"MAP", "an MRC file", at=208),),
        ),
        ReaderPlugin(
            name="dm",
            suffixes=(".dm3", ".dm4"),
            create="emgen_readers.dm:DmReader",
            summary="DM3 and DM4 of DigitalMicrograph, images and series, with the pixel size",
            signatures=(
                Signature(b"\0\0\0\x03\0", "a DM3 file of DigitalMicrograph"),
                Signature(b"\0\0\0\x04\0\0\0\0", "a DM4 file of DigitalMicrograph"),
            ),
        ),
        ReaderPlugin(
            name="ser",
            suffixes=(".ser",),
            create="emgen_readers.ser:SerReader",
            summary="SER images and series of TIA, with the pixel size",
            signatures=(Signature(b"II\x97\x01", "a SER file of TIA"),),
        ),
        ReaderPlugin(
            name="emd",
            suffixes=(".emd",),
            create="emgen_readers.emd:EmdReader",
            summary="EMD of Velox and of Berkeley, images and series, with the pixel size",
            signatures=(Signature(b"\x89HDF\r\n\x1a\n", "an HDF5 file, such as EMD"),),
        ),
        ReaderPlugin(
            name="zarr",
            suffixes=(".zarr", ".ozx"),
            create="emgen_readers.ngff:ZarrReader",
            summary="Zarr and OME-Zarr stores, folders or zipped, with the pixel size",
            suggests=dict.fromkeys(BY_ROSETTASCIIO, ROSETTASCIIO),
        ),
    ]

"""What a sender says of a frame: the JSON of ``X-Emgen-Frame``."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Kind = Literal[
    "|u1", "|i1", "u1", "i1", "uint8", "int8", "<u2", ">u2", "<i2", ">i2", "uint16", "int16", "<u4", ">u4",
    "<i4", ">i4", "uint32", "int32", "<f4", ">f4", "<f8", ">f8", "<f2", ">f2", "float16", "float32", "float64",
]  # fmt: skip
"""Number types of raw arrays, as numpy writes them."""


class ArrayHeader(BaseModel):
    """Of a raw array, rows from the top, no gap between them."""

    shape: tuple[int, int]
    dtype: Kind
    pixel_size_nm: float | None = None


class Header(BaseModel):
    """Facts that come with a frame; unknown fields are refused, so that none is lost by a slip of the pen.

    Attributes
    ----------
    name: a file name; its suffix tells the format. size: bytes in all. shape, dtype: of a raw array (H, W), which has
        no format. pixel_size_nm: goes over the file's. taken_at, closed_at: seconds since 1970 by the sender's clock.
    metadata: kept with the frame as it is.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: str = Field("frame", min_length=1, max_length=1024)
    size: int | None = Field(None, ge=0)
    shape: tuple[int, int] | None = None
    dtype: Kind | None = None
    pixel_size_nm: float | None = Field(None, gt=0, lt=1e6)
    taken_at: float | None = None
    closed_at: float | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _shape_with_dtype(self) -> Header:
        if (self.shape is None) != (self.dtype is None):
            raise ValueError("a raw array needs both `shape` and `dtype`")
        if self.shape is not None and (min(self.shape) < 1 or max(self.shape) > 1 << 16):
            raise ValueError("`shape`: between 1 and 65536 rows and columns")
        return self

    @property
    def is_array(self) -> bool:
        return self.shape is not None

    def array(self) -> ArrayHeader:
        assert self.shape is not None
        assert self.dtype is not None
        return ArrayHeader(shape=self.shape, dtype=self.dtype, pixel_size_nm=self.pixel_size_nm)

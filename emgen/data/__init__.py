"""Micrographs: found, read, checked, normalised, resized, split, tiled."""

from emgen.data.crops import cut_crops
from emgen.data.discover import expand_each, expand_images
from emgen.data.micrograph import Micrograph, NormalisedMicrograph, frame_name
from emgen.data.regions import SplitPlan, split_micrographs
from emgen.data.resize import resize_image, resize_labels, resize_to, scaled_shape
from emgen.data.stack import MicrographInfo, MicrographSet, set_notes
from emgen.data.tiling import predict_tiled
from emgen.data.window import Window

__all__ = [
    "Micrograph",
    "MicrographInfo",
    "MicrographSet",
    "NormalisedMicrograph",
    "SplitPlan",
    "Window",
    "cut_crops",
    "expand_each",
    "expand_images",
    "frame_name",
    "predict_tiled",
    "resize_image",
    "resize_labels",
    "resize_to",
    "scaled_shape",
    "set_notes",
    "split_micrographs",
]

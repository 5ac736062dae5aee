"""emgen: label-free training data and segmentation models for electron micrographs (the tandem GAN)."""

from emgen.hookspecs import hookimpl

__version__ = "0.1.0"
__all__ = ["__version__", "hookimpl"]

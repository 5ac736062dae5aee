"""Instances in the formats of other programs, and the virtual data set as one that others can train on."""

from emgen.writing.formats import FORMATS, known_formats, write_formats
from emgen.writing.writer import Labelled, StackOf, Writer, Writers

__all__ = ["FORMATS", "Labelled", "StackOf", "Writer", "Writers", "known_formats", "write_formats"]

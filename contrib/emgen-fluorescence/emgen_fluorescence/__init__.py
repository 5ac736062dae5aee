"""Fluorescence micrographs of nuclei for emgen: a modality, a sampler of nuclei, a reader for one channel of a TIFF."""

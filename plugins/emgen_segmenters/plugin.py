"""Registers the rough segmenters."""

from __future__ import annotations

from collections.abc import Iterable

import emgen
from emgen.registration import StagePlugin
from emgen_segmenters.config import NPsSegNetSegmenterConfig, SamConfig, SelfTaughtConfig, ThresholdConfig


@emgen.hookimpl
def emgen_rough_segmenters() -> Iterable[StagePlugin]:
    return [
        StagePlugin(
            name="threshold",
            config=ThresholdConfig,
            create="emgen_segmenters.threshold:Threshold",
            summary="classical: blobs of every size against their surroundings; needs no weights",
        ),
        StagePlugin(
            name="self-taught",
            config=SelfTaughtConfig,
            create="emgen_segmenters.self_taught:SelfTaught",
            summary="a small network taught on the stack itself, by particles drawn on its micrographs; no weights",
            preflight="emgen_segmenters.self_taught:check",
            simulated_weights="config",
        ),
        StagePlugin(
            name="npssegnet",
            config=NPsSegNetSegmenterConfig,
            create="emgen_segmenters.npssegnet:NPsSegNetSegmenter",
            summary="a trained model: a model folder, or the shipped weights",
            preflight="emgen_segmenters.npssegnet:check",
            simulated_weights="config",
        ),
        StagePlugin(
            name="sam",
            config=SamConfig,
            create="emgen_segmenters.sam:Sam",
            summary="Segment Anything (SAM, SAM 2): automatic masks, filtered by area, brightness and border",
            preflight="emgen_segmenters.sam_weights:check",
        ),
    ]

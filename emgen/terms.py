"""Words that the contract and the registration share. Imports nothing: listing plugins needs no numpy."""

from __future__ import annotations

from typing import Literal

Polarity = Literal["bright", "dark"]
"""Particles are brighter or darker than their surroundings."""

Precision = Literal["float32", "bfloat16", "float16"]

Need = Literal["generated-vs-real", "paired", "prediction"]
"""What a metric compares: two sets of images, not paired; image pairs; predicted against true instances."""

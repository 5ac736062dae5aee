"""What a run is: file -> validated spec -> JSON schema; every problem explained at once.

>>> from emgen.spec import load_spec
>>> callable(load_spec)
True
"""

from emgen.spec.load import load_spec
from emgen.spec.model import DataSpec, LabelledSpec, Spec, SplitSpec, VirtualSpec, build_spec_model
from emgen.spec.problems import InvalidSpecError, Problem
from emgen.spec.slots import SLOTS, Slot, plugin_config, settings_for_key

__all__ = [
    "SLOTS",
    "DataSpec",
    "InvalidSpecError",
    "LabelledSpec",
    "Problem",
    "Slot",
    "Spec",
    "SplitSpec",
    "VirtualSpec",
    "build_spec_model",
    "load_spec",
    "plugin_config",
    "settings_for_key",
]

"""Is a new micrograph of the domain that a model was trained on?"""

from emgen.domain.features import FEATURES, Feature, describe
from emgen.domain.learn import learn_reference
from emgen.domain.reference import FILE, LEAST, Reference
from emgen.domain.watch import Watch

__all__ = ["FEATURES", "FILE", "LEAST", "Feature", "Reference", "Watch", "describe", "learn_reference"]

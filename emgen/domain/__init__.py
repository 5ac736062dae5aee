"""Is a new micrograph of the domain that a model was trained on?

A micrograph is described by about thirty numbers of a few crops at the model's working scale: grey values, noise,
spectrum, and what the model finds there and how sure it is. A ``Reference`` keeps where those of the training lie, and
says how far outside another is: by its Mahalanobis distance, and along the known ways in which a session leaves a
domain (another way of imaging, defocus, dose, magnification), which are learnt from altered training micrographs.

**Which micrographs are the domain.** Of a run, the real micrographs of its stack, all of them, and not its virtual
images. What is promised, a rate of false alarms, is one of real micrographs, and holds if the new ones come as those
did; virtual ones are smoother, a little different from real ones in ways that the model has learnt, and the model is
surer of them, so they would widen the domain in just the direction that tells nothing. The downstream task was trained
on virtual images alone, so on real ones it is as unsure as on new ones (labelled micrographs excepted). Of the shipped
models, phantoms as their training drew them: there is no stack.

**What is promised.** A score is held against those of micrographs that the fit did not know (split conformal
prediction). The unit is the micrograph: its crops are no independent samples. So new micrographs of the domain exceed
``Reference.threshold(alpha)`` at a rate of at most ``alpha``, and M held-back ones carry an ``alpha`` of 1 / (M + 1) or
more. It is a rate over domains and sessions: within one session frames are alike, and alarms come in rows.
"""

from emgen.domain.features import FEATURES, Feature, describe
from emgen.domain.learn import learn_reference
from emgen.domain.reference import FILE, LEAST, Reference
from emgen.domain.watch import Watch

__all__ = ["FEATURES", "FILE", "LEAST", "Feature", "Reference", "Watch", "describe", "learn_reference"]

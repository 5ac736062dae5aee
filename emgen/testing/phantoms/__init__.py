"""Phantom micrographs: simulated images of supported nanoparticles with exact instance truth.

They stand in for real micrographs in the demo, in tests, and in the training of the weights that emgen ships. They are
drawn, not computed from scattering theory: what they imitate is how such images *look*. A bright-field image is made
from the same specimen as a dark-field one, by absorption and phase-contrast texture.

What counts as truth: every particle that can be seen. A particle is drawn but not labelled when its contrast falls
below the limits ``visible_snr`` and ``visible_contrast`` of the settings, since nobody could mark it in the image
either. Touching and overlapping particles stay separate instances; a shared pixel belongs to the particle that is
relatively deeper inside.

>>> phantom = phantom_micrographs(1, (96, 128), modality="haadf-stem", seed=3, diameter=12)[0]
>>> phantom.image_HW.shape, phantom.image_HW.dtype.name, phantom.label_HW.dtype.name
((96, 128), 'float32', 'int32')
"""

from emgen.testing.phantoms.make import Phantom, phantom_micrographs, phantom_stack
from emgen.testing.phantoms.many import make_phantoms
from emgen.testing.phantoms.settings import MODALITIES, SUPPORTS, PhantomSettings, draw_settings
from emgen.testing.phantoms.write import write_phantoms

__all__ = [
    "MODALITIES",
    "SUPPORTS",
    "Phantom",
    "PhantomSettings",
    "draw_settings",
    "make_phantoms",
    "phantom_micrographs",
    "phantom_stack",
    "write_phantoms",
]

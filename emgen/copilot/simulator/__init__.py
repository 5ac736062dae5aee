"""A microscope that is not there: it writes phantom frames at a pace, and beside them the truth of each.

For trying and testing the live service without an instrument. One specimen lies under one microscope: it drifts, grows
and sinters; focus and dose may change slowly, and from a given frame on the modality or the look may be another. On
request some files are written as no file should be (``faults``), and it is noted which of them are owed an answer.

>>> settings = Simulation(size_px=96, particles=8, diameter_px=14, frames=2)
>>> [(frame.image_HW.shape, frame.image_HW.dtype.name, frame.facts.number) for frame in frames(settings)]
[((96, 96), 'uint16', 1), ((96, 96), 'uint16', 2)]
"""

from emgen.copilot.simulator.acquire import Acquired, simulate
from emgen.copilot.simulator.faults import FAULTS
from emgen.copilot.simulator.frame import Facts, Frame
from emgen.copilot.simulator.scene import frames
from emgen.copilot.simulator.settings import Simulation, simulation
from emgen.copilot.simulator.truth import Owed, owed

__all__ = ["FAULTS", "Acquired", "Facts", "Frame", "Owed", "Simulation", "frames", "owed", "simulate", "simulation"]

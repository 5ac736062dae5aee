"""What each score says, in plain words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Meaning:
    """``better``: lower, higher, or empty where a value alone is neither good nor bad."""

    title: str
    better: str
    words: str


MEANINGS: Mapping[str, Meaning] = {
    "pass_rate": Meaning(
        "Particles that pass the gate",
        "higher",
        "Share of particles that the images show as their labels say, before the gate. 1: all.",
    ),
    "quarantined": Meaning("Images left out by the gate", "lower", "Share of images that nothing is trained on."),
    "fid": Meaning(
        "FID",
        "lower",
        "Distance between the generated and the real images as a network trained on photographs sees them. 0: equal. "
        "It is too high where images are few, so compare runs with equally many.",
    ),
    "fid_infinite": Meaning(
        "FID, infinitely many images",
        "lower",
        "The same, freed of most of what few images add to it, by a line through the FID of parts of the images. "
        "It may fall below 0.",
    ),
    "fid_encoder": Meaning(
        "FID, shipped encoder",
        "lower",
        "The same distance as emgen's own segmentation network sees it. 0: equal. Not comparable with published FID.",
    ),
    "fid_encoder_infinite": Meaning(
        "FID, shipped encoder, infinitely many images",
        "lower",
        "The same, freed of most of what few images add to it.",
    ),
    "kid": Meaning(
        "KID",
        "lower",
        "Do generated and real images agree in the features that are named, tails and rare ones above all? 0: no "
        "difference is seen; it may fall a little below. Few images do not make it larger. Published KID are of "
        "Inception features.",
    ),
    "mmd2": Meaning(
        "MMD²",
        "lower",
        "Do generated and real images follow one law of texture, noise and contrast? 0: no difference is seen; "
        "it may fall a little below.",
    ),
    "spectrum_db": Meaning(
        "Power spectrum, dB",
        "lower",
        "Is there as much detail of each size, from whole particles down to noise? Mean difference over all sizes; "
        "3 dB is twice or half the power. 0: equal.",
    ),
    "image_f1": Meaning(
        "Precision and recall of images",
        "higher",
        "Their harmonic mean. Real images do not reach 1 against real ones either: see the noise floor.",
    ),
    "image_precision": Meaning(
        "Precision of images",
        "higher",
        "Share of the generated images that lie among the real ones: do they look real?",
    ),
    "image_recall": Meaning(
        "Recall of images",
        "higher",
        "Share of the real images that lie among the generated ones: is all variety there?",
    ),
    "image_density": Meaning(
        "Density",
        "higher",
        "As precision, but counts how many real images a generated one lies near, so that an odd real image matters "
        "less. About 1 for equal sets.",
    ),
    "image_coverage": Meaning(
        "Coverage",
        "higher",
        "Share of the real images that have a generated one near: recall that odd ones do not blur.",
    ),
    "inception_score": Meaning(
        "Inception score", "", "Variety of the generated images in the eyes of a network trained on photographs."
    ),
    "inception_score_real": Meaning(
        "Inception score, real", "", "The same of the real images: what the generated ones should come near to."
    ),
    "ssim": Meaning(
        "SSIM",
        "higher",
        "Likeness in structure of a real image that no network saw and the image generated from its rough mask. 1: "
        "equal. Noise is random, so 1 is out of reach.",
    ),
    "psnr": Meaning("PSNR, dB", "higher", "The same pairs pixel by pixel; noise keeps it low as well."),
    "pixel_accuracy": Meaning(
        "Pixel accuracy", "higher", "Share of pixels called right. Flattering where particles are few."
    ),
    "miou": Meaning("MIoU", "higher", "Overlap of prediction and truth, mean of particle and background. 1: perfect."),
    "iou_particle": Meaning("IoU, particle", "higher", "Overlap of predicted and true particle area."),
    "iou_background": Meaning("IoU, background", "higher", "Overlap of predicted and true background."),
    "dice": Meaning("Dice", "higher", "Overlap of predicted and true particle area, milder than IoU. 1: perfect."),
    "object_f1": Meaning(
        "Object F1", "higher", "Particles found and not invented, counted one by one. 1: all and no other."
    ),
    "object_precision": Meaning("Object precision", "higher", "Share of the predicted particles that are real."),
    "object_recall": Meaning("Object recall", "higher", "Share of the real particles that were found."),
}

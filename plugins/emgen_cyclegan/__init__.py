"""CycleGAN, the contrast GAN: from the 1st generation to the look of real micrographs."""

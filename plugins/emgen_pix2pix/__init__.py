"""pix2pix, the morphology GAN: from instance masks to micrographs."""

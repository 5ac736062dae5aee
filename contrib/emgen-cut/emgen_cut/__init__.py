"""CUT, a contrast GAN for emgen: contrastive unpaired translation (Park et al. 2020)."""

"""What the torch plugins share: networks, one training loop, checkpoints, devices. It registers nothing."""

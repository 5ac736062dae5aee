"""NPsSegNet, the downstream task: UNet++ that tells particle from background."""

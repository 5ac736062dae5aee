"""Secondary-electron SEM of powders for emgen: a modality that takes charging out, and a sampler of agglomerates."""

"""Models: training, registry, release and scoring; one folder a model."""

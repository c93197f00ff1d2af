"""The network, its layers, losses and checkpoints."""

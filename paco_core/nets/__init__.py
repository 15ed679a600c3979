"""Networks. They see tensors alone; adapters in ``paco_core.backends`` speak the stages' NumPy."""

"""Code generation for CUDA: see `emit.py`."""

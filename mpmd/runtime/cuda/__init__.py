"""Kernels on CUDA cards: compiled by NVRTC, loaded and launched through `cuda.core`.

In:  a `KernelSource` of target "cuda". Out: `build.build`, whose result loads into a callable.
Not here: text and tables (`mpmd/codegen/cuda`).
"""

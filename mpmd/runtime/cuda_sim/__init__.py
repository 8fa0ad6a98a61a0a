"""The judge of CUDA texts: kernels for GPUs, run on this machine under the laws of CUDA's threads and memory.

In:  a `KernelSource` for CUDA, arrays, a seed. Out: arrays, and what broke a law.
Not here: emitting the text (`codegen/cuda`), tensor cores' rounding, and time: a simulated kernel has none.
"""

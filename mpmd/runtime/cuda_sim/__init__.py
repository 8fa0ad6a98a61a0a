"""The judge of CUDA texts: a kernel for GPUs, run on this machine under the laws of CUDA's memory and threads.

In:  a `KernelSource` for CUDA, arrays, a seed. Out: arrays, and what broke a law.
Not here: emitting the text (`codegen/cuda`), tensor cores' rounding, and time: a simulated kernel has none.
"""

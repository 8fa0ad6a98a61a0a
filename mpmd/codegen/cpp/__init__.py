"""Task functions as C++ text: what the targets share that compile C++ (CPU, CUDA)."""

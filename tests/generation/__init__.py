"""The parts of the random kernels of `tests.generate`: one kind of text per file."""

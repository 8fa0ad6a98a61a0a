"""Which core does what and when, where local tensors lie, and the signals that keep it correct."""

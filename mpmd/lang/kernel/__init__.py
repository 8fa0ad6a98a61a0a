"""The language on the kernel side: tracing, views, bindings, and the laws on a traced `Program`."""

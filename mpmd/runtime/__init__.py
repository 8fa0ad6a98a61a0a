"""Building and running kernels: `build.build(source)` → `Artifact`, `.load()` → `Executable`.

Nothing is imported here, so that what needs only the cache, say, begins at once.
"""

"""`LoadedKernel`: a kernel from a file, callable, without a compiler.

In:  a saved kernel. Out: launches; a directory from which a C program launches it.
Not here: the file and its checks (`saved.py`), the C functions (`native/mpmd.h`).
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mpmd.codegen.source import KernelSource, LaunchInfo
from mpmd.errors import NO_SPAN, ArtifactError, Span
from mpmd.lang.frames import caller_span
from mpmd.runtime import manifest, pool, saved
from mpmd.runtime.artifact import Artifact
from mpmd.runtime.cpu import this_cpu
from mpmd.runtime.load import ABI, Executable, open_kernel
from mpmd.runtime.manifest import Manifest
from mpmd.runtime.profile import profiled
from mpmd.runtime.saved import Saved
from mpmd.schedule.check import Certificate
from mpmd.timeline import Trace

TARGET = "cpu"
HEADER, LAUNCH = "mpmd.h", "launch"


@dataclass(frozen=True, slots=True, eq=False)
class LoadedKernel:
    """Call it with arrays and numbers, in the order of the kernel's parameters or by name."""

    saved: Saved
    executable: Executable

    @property
    def launch(self) -> LaunchInfo:
        """The parameters, and what a launch needs."""
        return self.saved.manifest.launch

    @property
    def certificate(self) -> Certificate:
        """What was proved of the tables when the kernel was compiled."""
        return self.saved.manifest.certificate

    def __repr__(self) -> str:
        return f"<kernel {self.launch.kernel}, loaded>"

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        if kwargs:
            args = self.executable.ordered(args, kwargs)
        self.executable(*args)

    def bind(self, **consts: Any) -> LoadedKernel:
        """The same kernel with some `Const` arguments fixed; calls then leave them out."""
        return replace(self, executable=self.executable.bind(**consts))

    def profile(self, *args: Any, launches: int = 1, **kwargs: Any) -> Trace:
        """Calls the kernel, so many times, and says what each core did in the launch of median time.

        The file knows tasks by name and line. Of channels it has numbers alone, and no ordinals of the tasks
        that cores take by ticket.
        """
        return profiled(self.launch.kernel, lambda: self(*args, **kwargs), launches, caller_span())

    def unpack(self, directory: str | os.PathLike[str]) -> Path:
        """Writes what a C program needs to launch this kernel (see `mpmd.h` there) into `directory`."""
        folder = Path(directory)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name, data in _unpacked(self.saved):
                saved.write_file(folder / name, data)
        except OSError as error:
            raise ArtifactError(f"'{folder}' cannot be written: {error.strerror}", span=NO_SPAN) from None
        return folder


def save(artifact: Artifact, certificate: Certificate, path: Path, span: Span) -> None:
    """Writes a compiled kernel, and the pool that it runs on, into the file `path`."""
    source = artifact.source
    runtime = pool.library().read_bytes()
    described = Manifest(
        target=source.target,
        abi=ABI,
        entry=source.entry,
        cpu=this_cpu(),
        hashes=saved.hashes(source.tables, artifact.library, runtime),
        certificate=certificate,
        launch=source.launch,
    )
    saved.write(Saved(described, source.tables, artifact.library, runtime), path, span)


def load(path: Path, span: Span) -> LoadedKernel:
    """The kernel in the file `path`. Its pool is this process's, unless there is one already."""
    content = saved.read(path, span)
    described = content.manifest
    if (described.target, described.abi) != (TARGET, ABI):  # before its pool becomes this process's
        raise ArtifactError(
            f"'{path}' was saved by another version of mpmd: target {described.target}, ABI {described.abi}",
            span=span,
            label=f"this version has target {TARGET}, ABI {ABI}",
            hints=("compile and save the kernel again",),
        )
    source = KernelSource(described.target, (), content.tables, described.entry, described.launch)
    with tempfile.TemporaryDirectory(prefix="mpmd-") as folder:  # what is open stays when its file goes
        library, kernel = Path(folder) / saved.POOL, Path(folder) / saved.KERNEL
        library.write_bytes(content.pool)
        kernel.write_bytes(content.kernel)
        pool.adopt(library)
        return LoadedKernel(content, Executable(open_kernel(source, kernel)))


def _unpacked(content: Saved) -> tuple[tuple[str, bytes], ...]:
    info = content.manifest
    launch = f"{info.entry} {info.launch.scratch_bytes}\n"
    return (
        (saved.MANIFEST, manifest.encode(info).encode()),
        (saved.TABLES, content.tables),
        (saved.KERNEL, content.kernel),
        (saved.POOL, content.pool),
        (LAUNCH, launch.encode()),
        (HEADER, (pool.NATIVE / HEADER).read_bytes()),
    )

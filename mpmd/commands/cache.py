"""`mpmd cache`: the compiled kernels kept on disk."""

from __future__ import annotations

from mpmd.commands.show import megabytes, show
from mpmd.runtime import cache as store
from mpmd.runtime import entries


def cache(*, clear: bool, as_json: bool) -> int:
    """0 unless the cache cannot be used."""
    root = store.wanted_directory()
    problem = store.problem(root)
    if problem is not None:
        facts = {"directory": str(root), "problem": problem}
        show([f"{root} is not used: {problem}"], facts, as_json=as_json)
        return 1
    return _clear(as_json) if clear else _list(as_json)


def _list(as_json: bool) -> int:
    root, limits = store.wanted_directory(), entries.limits_from_environment()
    found = entries.entries(root)
    size = sum(entry.bytes for entry in found)
    facts = {
        "directory": str(root),
        "entries": len(found),
        "bytes": size,
        "limit_bytes": limits.bytes,
        "limit_days": limits.days,
    }
    text = (
        f"{root}\nentries: {len(found)}, {megabytes(size)} of {megabytes(limits.bytes)};"
        f" what is unused for {limits.days:g} days goes"
    )
    show([text], facts, as_json=as_json)
    return 0


def _clear(as_json: bool) -> int:
    root = store.wanted_directory()
    done = entries.clear(root)
    facts = {"directory": str(root), "removed": done.removed, "bytes": done.bytes, "kept": done.kept}
    in_use = f"; {done.kept} are in use and stay" if done.kept else ""
    text = f"{root}\nremoved entries: {done.removed}, {megabytes(done.bytes)}{in_use}"
    show([text], facts, as_json=as_json)
    return 0

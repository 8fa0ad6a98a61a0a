"""Pictures of the compiler's values. Installed as `mpmd.visual`; each is loaded when first asked for."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .chrome import chrome_json as chrome_json
    from .graph import graph_dot as graph_dot
    from .graph import graph_svg as graph_svg
    from .page import timeline_page as timeline_page
    from .timeline import schedule_svg as schedule_svg

_MODULES = {
    "chrome_json": "chrome",
    "graph_dot": "graph",
    "graph_svg": "graph",
    "schedule_svg": "timeline",
    "timeline_page": "page",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_MODULES[name]}", __name__), name)

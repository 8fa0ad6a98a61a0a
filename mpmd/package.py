"""How the package holds the names that users import: all are loaded when the first of them is asked for.

In:  a name. Out: what `names.py` has under it. A command that needs none of them begins at once.
Not here: which names there are (`names.py`).
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Any

ALSO_MODULES = frozenset({"doctor", "explain"})
"""Functions beside modules of the same name: `mpmd.doctor` is the function, whoever imports the module."""


class Package(ModuleType):
    """The module `mpmd` (Python's data model: customizing module attribute access)."""

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("__"):
            self._load()
        try:
            return vars(self)[name]
        except KeyError:
            text = f"module {self.__name__!r} has no attribute {name!r}"
            raise AttributeError(text, name=name, obj=self) from None

    def __setattr__(self, name: str, value: Any) -> None:
        """The import system sets each module that it has loaded; it does not take a function's place."""
        if not (name in ALSO_MODULES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        self._load()
        return sorted(vars(self))

    def _load(self) -> None:
        found = vars(import_module("mpmd.names"))
        vars(self).update({name: value for name, value in found.items() if not name.startswith("_")})

"""Tile tasks and one sequential kernel in Python; one fused kernel in which every core runs its own program.

In:  nothing. Out: the names that users import. Not here: which they are (`names.py`), when they are loaded
(`package.py`), types (`__init__.pyi`).
"""

import sys

from mpmd.package import Package as _Package

sys.modules[__name__].__class__ = _Package

"""Headless Chromium for tests. Where something is missing, who imports this is skipped, and says why."""

from __future__ import annotations

import pytest

pytest.importorskip("websockets", reason="no websockets: `pip install websockets`")

from bench.browser import browser, tab

if browser() is None:
    pytest.skip("no Chromium: `apt-get install chromium`", allow_module_level=True)

__all__ = ["tab"]

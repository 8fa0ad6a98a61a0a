"""Benchmarks: `python -m bench NAME … [--json]`. Every row has one form (`rows.py`)."""

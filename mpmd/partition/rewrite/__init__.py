"""Rewrites of programs: other calls that mean the same. Each is refused with a reason where it is not right."""

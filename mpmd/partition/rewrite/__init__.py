"""Rewrites of programs: other calls that mean the same; each is refused with a reason where not right."""

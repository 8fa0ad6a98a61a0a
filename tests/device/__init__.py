"""Tests that take a card. Where there is none they are skipped, with the reason."""

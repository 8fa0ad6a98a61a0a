"""The language: from the user's Python to a typed `Program`, and what that program means."""

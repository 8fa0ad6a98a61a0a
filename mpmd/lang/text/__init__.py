"""The text form of a `Program`, printed and read."""

"""The commands of `mpmd`, one module each: a function from options to an exit status."""

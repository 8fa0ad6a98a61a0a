"""The parts of the checker, one law or one subject per file. `schedule.check` puts them together."""

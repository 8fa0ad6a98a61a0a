"""The language on the task side: from the source of a tile program to a checked `TaskDef`."""

"""Target "ascend": one mixed kernel in Ascend C, in which every cube and vector core runs its own program."""

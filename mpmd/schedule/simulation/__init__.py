"""The parts of `schedule/simulate.py`: events, needs, bandwidth, counters, channels, what is passed over."""

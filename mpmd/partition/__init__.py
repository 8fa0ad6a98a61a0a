"""Partition: from a `Program` to the graph of its task instances."""

from mpmd.partition.build import partition as partition
from mpmd.partition.graph import TaskGraph as TaskGraph

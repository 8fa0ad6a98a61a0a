"""What a target machine is: cores, bandwidths, rates, and its synchronisation primitives."""

from mpmd.machine.model import OPERATIONS as OPERATIONS
from mpmd.machine.model import CoreKind as CoreKind
from mpmd.machine.model import Machine as Machine
from mpmd.machine.model import Primitive as Primitive
from mpmd.machine.model import Source as Source
from mpmd.machine.model import WorkClass as WorkClass
from mpmd.machine.model import uniform as uniform

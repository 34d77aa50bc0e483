"""The tasks that can be taught, one module each."""

from vinn_core.tasks.lift import Lift

TASKS = {Lift.name: Lift}

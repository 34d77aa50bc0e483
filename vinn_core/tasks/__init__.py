"""The tasks that can be taught, one module each."""

from vinn_core.tasks.door import Door
from vinn_core.tasks.lift import Lift
from vinn_core.tasks.push import Push
from vinn_core.tasks.stack import Stack

TASKS = {task.name: task for task in (Lift, Push, Stack, Door)}

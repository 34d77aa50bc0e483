"""The tasks that can be taught: one module each, of the same name, with the task's class as `TASK`."""

from __future__ import annotations

from importlib import import_module

from vinn_core.config import TASKS
from vinn_core.errors import SceneError
from vinn_core.world.task import Task


def load_task(name: str) -> Task:
    """The task of that name. Raises SceneError naming the known ones."""
    if name not in TASKS:
        raise SceneError(f"no task {name!r}; known tasks: {', '.join(TASKS)}.")
    return import_module(f"{__name__}.{name}").TASK()

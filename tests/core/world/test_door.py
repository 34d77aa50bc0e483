"""The door's scripted expert: it pulls the handle along its arc."""

from __future__ import annotations

import numpy as np
import pytest

from vinn_core.world.simulation import Simulation
from vinn_core.world.tasks import load_task

_PULLING = 0.1
"""An angle of the door [rad] at which the gripper surely pulls."""


@pytest.mark.parametrize("seed", range(4))
def test_the_handle_stays_between_the_fingers_while_it_pulls(seed: int) -> None:
    task = load_task("door")
    simulation, expert = Simulation(task), task.expert()
    simulation.reset(seed)
    strayed = []
    for _ in range(int(task.time_limit_s * 10)):
        simulation.step(expert.act(simulation.model, simulation.data))
        if simulation.data.joint("door").qpos[0] > _PULLING:
            strayed.append(np.linalg.norm((simulation.data.site("handle").xpos - simulation.ee_position)[:2]))
        if simulation.succeeded():
            break
    assert simulation.succeeded()
    assert max(strayed) < 0.008

"""What every task promises: varied resets, an expert that solves them, a memory of a trajectory that does not."""

from __future__ import annotations

from dataclasses import replace

import mujoco
import numpy as np
import pytest
from numpy.typing import NDArray

from vinn_core.config import LOOKS, TASKS
from vinn_core.episodes.episode import Action
from vinn_core.rollouts.expert import NoiseInjection
from vinn_core.world.simulation import Simulation
from vinn_core.world.task import ResetPose
from vinn_core.world.tasks import TASKS as TASK_CLASSES
from vinn_core.world.tasks import load_task
from vinn_core.world.tasks.lift import Lift

SEEDS = range(40, 52)


def play(simulation: Simulation, seed: int, noise: float = 0.0) -> list[NDArray[np.float32]]:
    """The expert's actions up to success; fails the test when there is none."""
    expert, disturb = simulation.task.expert(), NoiseInjection(noise)
    simulation.reset(seed)
    disturb.reset(seed)
    assert not simulation.succeeded()
    actions = []
    for _ in range(round(simulation.task.time_limit_s * 10)):
        action = expert.act(simulation.model, simulation.data)
        executed = disturb(action) if noise else action
        actions.append(executed.as_array())
        simulation.step(executed)
        if simulation.succeeded():
            return actions
    pytest.fail(f"the expert does not solve seed {seed} of {simulation.task.name}")


def test_every_task_that_can_be_asked_for_is_there() -> None:
    assert tuple(TASK_CLASSES) == TASKS


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_the_expert_solves_it(name: str, noise: float) -> None:
    simulation = Simulation(load_task(name))
    for seed in SEEDS:
        play(simulation, seed, noise)


@pytest.mark.parametrize("name", TASKS)
def test_another_seed_is_another_problem(name: str) -> None:
    simulation = Simulation(load_task(name))
    recorded = {seed: play(simulation, seed) for seed in SEEDS}
    solved = 0
    for seed in SEEDS:
        simulation.reset(seed + len(SEEDS))
        for values in recorded[seed]:
            simulation.step(Action.from_array(values))
        solved += simulation.succeeded()
    assert solved <= 0.2 * len(SEEDS)


@pytest.mark.parametrize("name", TASKS)
def test_distractors_stand_on_the_table_clear_of_the_task(name: str) -> None:
    simulation = Simulation(load_task(name))
    free = [i for i in range(simulation.model.nbody) if simulation.model.body_jntnum[i] == 1]
    tasks_own = [
        i for i in free if simulation.model.jnt_type[simulation.model.body_jntadr[i]] == mujoco.mjtJoint.mjJNT_FREE
    ]
    shown = 0
    for seed in SEEDS:
        simulation.reset(seed, "distractors")
        for body in range(simulation.model.nbody):
            if not simulation.model.body(body).name.startswith("distractor_") or simulation.data.xpos[body][2] < 0:
                continue
            shown += 1
            apart = simulation.data.xpos[tasks_own][:, :2] - simulation.data.xpos[body][:2]
            assert np.linalg.norm(apart, axis=1).min() > 0.09
    assert shown > 3 * len(SEEDS)


def test_distractors_keep_clear_of_the_reset_that_was_taken() -> None:
    """Not of one that was drawn before it and could not be reached."""

    class SecondTry(Lift):
        def sample_reset(self, random: np.random.Generator) -> ResetPose:
            first = super().sample_reset(random)
            unreachable = replace(first, ee_position=np.array([3.0, 0.0, 0.2]), kept_clear=((0.3, 0.0, 0.4),))
            tries.append(unreachable if len(tries) % 2 == 0 else super().sample_reset(random))
            return tries[-1]

    tries: list[ResetPose] = []
    simulation = Simulation(SecondTry())
    shown = 0
    for seed in SEEDS:
        simulation.reset(seed, "distractors")
        assert simulation.kept_clear == tries[-1].kept_clear
        cube = simulation.data.body("cube").xpos
        for body in range(simulation.model.nbody):
            if simulation.model.body(body).name.startswith("distractor_") and simulation.data.xpos[body][2] >= 0:
                shown += 1
                assert np.linalg.norm(simulation.data.xpos[body][:2] - cube[:2]) > 0.09
    assert shown > 2 * len(SEEDS)


@pytest.mark.parametrize("name", TASKS)
def test_a_look_changes_the_picture_but_not_what_happens(name: str) -> None:
    simulation = Simulation(load_task(name))
    states = []
    for look in LOOKS:
        simulation.reset(41, look)
        simulation.step(Action(np.full(6, 0.05, dtype=np.float32), 0.0))
        states.append(simulation.state())
    assert all(np.array_equal(states[0], state) for state in states[1:])

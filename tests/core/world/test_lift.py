"""The task lift: where it starts, when it is solved, that the expert solves it and that the cameras see it."""

from __future__ import annotations

import numpy as np
import pytest
from demonstrations import Demonstrator

from vinn_core.episodes.episode import Action
from vinn_core.rollouts.expert import NoiseInjection
from vinn_core.world.rendering import CameraRenderer
from vinn_core.world.simulation import Simulation
from vinn_core.world.tasks import load_task


def test_resets_cover_the_table_in_front_of_the_arm_and_stay_on_it() -> None:
    task = load_task("lift")
    poses = [task.sample_reset(np.random.default_rng(seed)) for seed in range(300)]
    cubes = np.stack([pose.objects["cube"] for pose in poses])
    grippers = np.stack([pose.ee_position for pose in poses])
    yaws = 2 * np.arctan2(cubes[:, 6], cubes[:, 3])
    for values, low, high in (
        (cubes[:, 0], 0.20, 0.38),
        (cubes[:, 1], -0.16, 0.16),
        (yaws, -np.pi / 4, np.pi / 4),
        (grippers[:, 2], 0.16, 0.28),
    ):
        assert low <= values.min() < low + 0.05 * (high - low)
        assert high - 0.05 * (high - low) < values.max() <= high
    np.testing.assert_allclose(cubes[:, 2], 0.02)


def test_every_seed_has_a_reachable_start_with_the_cube_at_rest() -> None:
    simulation = Simulation(load_task("lift"))
    for seed in range(30):
        simulation.reset(seed)
        assert 0.15 < simulation.ee_position[2] < 0.29
        assert not simulation.succeeded()


@pytest.mark.parametrize(("height", "solved"), [(0.11, False), (0.119, False), (0.121, True), (0.2, True)])
def test_the_task_is_solved_above_twelve_centimetres(height: float, solved: bool) -> None:
    simulation = Simulation(load_task("lift"))
    state = simulation.state()
    state[_place_of_cube(simulation)][2] = height
    simulation.set_state(state)
    assert simulation.succeeded() is solved


def _place_of_cube(simulation: Simulation) -> slice:
    """Where a state has the cube's position."""
    start = 1 + simulation.model.joint("cube").qposadr[0]
    return slice(start, start + 3)


@pytest.mark.parametrize("noise", [0.0, 1.0], ids=["clean", "noise"])
@pytest.mark.parametrize("look", ["none", "varied"])
def test_the_expert_solves_every_reset(look: str, noise: float) -> None:
    with Demonstrator(look, noise) as demonstrator:
        rollouts = [demonstrator.demonstrate(seed) for seed in range(10)]
    assert [rollout.seed for rollout in rollouts if not rollout.success] == []
    assert all(10 <= len(rollout.states) <= 151 for rollout in rollouts)


def test_noise_disturbs_what_is_executed_and_not_what_is_learnt() -> None:
    with Demonstrator(noise=1.0) as demonstrator:
        episode = demonstrator.demonstrate(0).episode
    assert episode is not None
    difference = np.abs(episode.actions - episode.executed_actions)
    assert (difference[:, :6].max(axis=1) > 0).all()
    assert difference[:, :3].mean() < 0.05
    with Demonstrator() as demonstrator:
        clean = demonstrator.demonstrate(0).episode
    assert clean is not None
    np.testing.assert_array_equal(clean.actions, clean.executed_actions)
    np.testing.assert_array_equal(clean.actions[0], episode.actions[0])


def test_the_noise_of_a_seed_is_always_the_same() -> None:
    with Demonstrator(noise=1.0) as demonstrator:
        first, other, again = (demonstrator.demonstrate(seed) for seed in (3, 4, 3))
    np.testing.assert_array_equal(first.states, again.states)
    assert first.states.shape != other.states.shape or not np.array_equal(first.states, other.states)


def test_noise_of_scale_zero_is_none() -> None:
    action = Action(np.arange(6, dtype=np.float32), 1.0)
    disturbed = NoiseInjection(0.0)(action)
    np.testing.assert_array_equal(disturbed.as_array(), action.as_array())


@pytest.mark.parametrize("look", ["none", "varied"])
@pytest.mark.parametrize(("camera", "pixels"), [("wrist", 20), ("front", 8)])
def test_the_cube_can_be_seen(look: str, camera: str, pixels: int) -> None:
    """Pictures with and without the cube differ; from the wrist, once the gripper is above it."""
    simulation = Simulation(load_task("lift"), look)
    cube = simulation.model.body("cube").geomadr[0]
    with CameraRenderer(simulation.model, 96, 96) as renderer:
        for seed in range(4):
            simulation.reset(seed)
            if camera == "wrist":
                _place_cube_below_the_gripper(simulation)
            shown = renderer.render(simulation.data, camera).astype(int)
            group = simulation.model.geom_group[cube]
            simulation.model.geom_group[cube] = 5  # not drawn
            hidden = renderer.render(simulation.data, camera).astype(int)
            simulation.model.geom_group[cube] = group
            assert (np.abs(shown - hidden).max(axis=2) > 12).sum() >= pixels, f"seed {seed}"


def _place_cube_below_the_gripper(simulation: Simulation) -> None:
    state = simulation.state()
    state[_place_of_cube(simulation)][:2] = simulation.ee_position[:2]
    simulation.set_state(state)


def _expert_solves(simulation: Simulation, first_closed: int = 0) -> bool:
    """Whether the expert succeeds in time; for so many ticks the gripper is held closed against its will."""
    expert = simulation.task.expert()
    for tick in range(150):
        action = expert.act(simulation.model, simulation.data)
        simulation.step(Action(action.twist, 0.0) if tick < first_closed else action)
        if simulation.succeeded():
            return True
    return False


def test_the_expert_grasps_a_cube_that_lies_on_another_side() -> None:
    simulation = Simulation(load_task("lift"))
    for seed in range(3):
        simulation.reset(seed)
        address = simulation.model.joint("cube").qposadr[0]
        simulation.data.qpos[address + 3 : address + 7] = np.array([1.0, 0.0, 1.0, 0.0]) / 2**0.5
        assert _expert_solves(simulation)


def test_the_expert_opens_fingers_that_closed_above_the_cube() -> None:
    simulation = Simulation(load_task("lift"))
    for seed in range(5):
        simulation.reset(seed)
        assert _expert_solves(simulation, first_closed=20)

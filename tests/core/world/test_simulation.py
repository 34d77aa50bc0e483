"""Seeded resets, exact ticks, states that bring back a moment, and motion where the twist says."""

from __future__ import annotations

from pathlib import Path

import mink
import mujoco
import numpy as np
import pytest
from numpy.typing import NDArray

from vinn_core.episodes.episode import Action
from vinn_core.errors import SceneError
from vinn_core.world.robot import load_scene
from vinn_core.world.simulation import Simulation
from vinn_core.world.tasks import load_task

LOOK = ("mat_rgba", "light_pos", "light_dir", "light_diffuse", "cam_pos", "cam_quat")


@pytest.fixture(scope="module")
def simulation() -> Simulation:
    """One for all tests; each begins with a reset."""
    return Simulation(load_task("lift"))


def _appearance(simulation: Simulation) -> list[NDArray[np.float64]]:
    return [getattr(simulation.model, name).copy() for name in LOOK] + [simulation.model.vis.headlight.diffuse.copy()]


def _same(first: list[NDArray[np.float64]], second: list[NDArray[np.float64]]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def _pose(simulation: Simulation) -> mink.SE3:
    return mink.SE3.from_rotation_and_translation(mink.SO3(simulation.ee_quaternion), simulation.ee_position)


def _drive(simulation: Simulation, twist: tuple[float, ...], ticks: int, gripper: float = 1.0) -> None:
    """Apply `twist` for `ticks`, then hold still until the arm has settled."""
    for _ in range(ticks):
        simulation.step(Action(np.array(twist, np.float32), gripper))
    for _ in range(5):
        simulation.step(Action.hold(gripper))


def test_a_reset_depends_on_its_seed_alone(simulation: Simulation) -> None:
    fresh = Simulation(load_task("lift"))
    fresh.reset(7)
    simulation.reset(3)
    _drive(simulation, (0.1, 0.1, 0.1, 0.5, 0.5, 0.5), 3, gripper=0.0)
    simulation.reset(7)
    np.testing.assert_array_equal(simulation.state(), fresh.state())
    simulation.reset(8)
    assert not np.array_equal(simulation.state(), fresh.state())


def test_the_same_actions_lead_to_the_same_states_bit_for_bit(simulation: Simulation) -> None:
    random = np.random.default_rng(0)
    actions = [Action(random.normal(0, 0.3, 6).astype(np.float32), float(random.random() < 0.5)) for _ in range(12)]

    def states() -> NDArray[np.float64]:
        simulation.reset(5)
        found = []
        for action in actions:
            simulation.step(action)
            found.append(simulation.state())
        return np.stack(found)

    np.testing.assert_array_equal(states(), states())


def test_the_look_does_not_change_the_reset_pose(simulation: Simulation) -> None:
    simulation.reset(4, "none")
    plain = simulation.state()
    simulation.reset(4, "varied")
    np.testing.assert_array_equal(simulation.state(), plain)


def test_the_same_seed_gives_the_same_look_and_another_seed_another(simulation: Simulation) -> None:
    simulation.reset(4, "varied")
    varied = _appearance(simulation)
    simulation.reset(5, "varied")
    assert not any(np.array_equal(a, b) for a, b in zip(_appearance(simulation), varied, strict=True))
    simulation.reset(4)
    assert simulation.look == "varied"
    assert _same(_appearance(simulation), varied)


def test_the_fixed_look_is_the_same_for_every_seed_and_comes_back_after_varied_ones(simulation: Simulation) -> None:
    simulation.reset(0, "none")
    fixed = _appearance(simulation)
    simulation.reset(1, "none")
    assert _same(_appearance(simulation), fixed)
    simulation.reset(1, "varied")
    simulation.reset(0, "none")
    assert _same(_appearance(simulation), fixed)


def test_the_scene_as_text_compiles_to_the_same_world_in_the_same_look(simulation: Simulation) -> None:
    simulation.reset(6, "varied")
    model = mujoco.MjModel.from_xml_string(simulation.scene_xml())
    assert (model.nq, model.nv, model.nu) == (simulation.model.nq, simulation.model.nv, simulation.model.nu)
    for name in ("body_mass", "geom_size", "actuator_gainprm", *LOOK):
        np.testing.assert_allclose(
            getattr(model, name), getattr(simulation.model, name), rtol=1e-5, atol=1e-6, err_msg=name
        )


def test_every_tick_lasts_exactly_a_tenth_of_a_second(simulation: Simulation) -> None:
    simulation.reset(0)
    times = [simulation.state()[0]]
    for tick in range(20):
        simulation.step(Action(np.full(6, 0.05 * (tick % 3), np.float32), float(tick % 2)))
        times.append(simulation.state()[0])
    np.testing.assert_allclose(times, 0.1 * np.arange(21), atol=1e-9)


def test_a_state_brings_the_moment_back_from_anywhere(simulation: Simulation) -> None:
    simulation.reset(2)
    _drive(simulation, (0, 0, 0.1, 0, 0, 0.3), 4)
    state, pose = simulation.state(), simulation.ee_position
    simulation.reset(9, "varied")
    simulation.set_state(state)
    np.testing.assert_array_equal(simulation.state(), state)
    np.testing.assert_array_equal(simulation.ee_position, pose)


def test_the_arm_holds_still_at_a_state_that_was_set(simulation: Simulation) -> None:
    simulation.reset(2)
    _drive(simulation, (0, 0, 0.1, 0, 0, 0.3), 4, gripper=0.0)
    state, position = simulation.state(), simulation.ee_position
    simulation.reset(9)
    simulation.set_state(state)
    for _ in range(5):
        simulation.step(Action.hold(0.0))
    assert np.linalg.norm(simulation.ee_position - position) < 1e-3
    assert simulation.gripper_opening < 0.05


def test_a_motion_goes_on_from_a_recorded_state_as_it_did(simulation: Simulation) -> None:
    raising = Action(np.array([0, 0, -0.2, 0, 0, 0], np.float32), 1.0)

    def states() -> list[NDArray[np.float64]]:
        simulation.reset(0)
        found = []
        for _ in range(5):
            simulation.step(raising)
            found.append(simulation.state())
        return found

    recorded = states()
    simulation.reset(0)
    for state in recorded[:-1]:
        simulation.step_to(raising, state)
        np.testing.assert_array_equal(simulation.state(), state)
    simulation.step(raising)
    np.testing.assert_array_equal(simulation.state(), recorded[-1])
    with pytest.raises(SceneError, match="another scene"):
        simulation.step_to(raising, np.zeros(5))


def test_a_state_of_another_scene_is_refused(simulation: Simulation) -> None:
    with pytest.raises(
        SceneError, match=f"a state of 5 numbers .* states have {simulation.state_size}; .* another scene"
    ):
        simulation.set_state(np.zeros(5))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_five_centimetres_along_the_fingers_are_five_centimetres(simulation: Simulation, seed: int) -> None:
    simulation.reset(seed)
    before = _pose(simulation)
    _drive(simulation, (0, 0, 0.1, 0, 0, 0), 5)
    moved = (before.inverse() @ _pose(simulation)).translation()
    np.testing.assert_allclose(moved, (0, 0, 0.05), atol=0.002)


@pytest.mark.parametrize(
    "twist",
    [
        (0.1, 0, 0, 0, 0, 0),
        (0, -0.1, 0, 0, 0, 0),
        (0, 0, 0, 0, 0, 0.6),
        (0, 0, 0, 0.3, 0, 0),
        (0.05, 0.1, 0.05, 0.2, -0.2, 0.6),
    ],
    ids=["x", "y", "turn", "tilt", "screw"],
)
def test_a_twist_in_the_end_effector_frame_is_integrated(simulation: Simulation, twist: tuple[float, ...]) -> None:
    simulation.reset(0)
    before = _pose(simulation)
    _drive(simulation, twist, 5)
    error = (before.rplus(np.array(twist) * 0.5).inverse() @ _pose(simulation)).log()
    assert np.linalg.norm(error[:3]) < 0.002
    assert np.linalg.norm(error[3:]) < 0.02


def test_the_arm_does_not_drift_while_it_holds_still(simulation: Simulation) -> None:
    simulation.reset(0)
    _drive(simulation, (0, 0, 0, 0, 0, 0), 1)
    before = simulation.ee_position
    for _ in range(30):
        simulation.step(Action.hold(1.0))
    assert np.linalg.norm(simulation.ee_position - before) < 2e-4


def test_a_twist_faster_than_the_arm_is_slowed_down(simulation: Simulation) -> None:
    simulation.reset(0)
    before = _pose(simulation)
    _drive(simulation, (-4.0, 0, 0, 0, 0, 0), 2)
    moved = (before.inverse() @ _pose(simulation)).translation()
    np.testing.assert_allclose(moved, (-0.06, 0, 0), atol=0.003)


def test_the_gripper_closes_and_opens(simulation: Simulation) -> None:
    simulation.reset(0)
    assert simulation.gripper_opening > 0.95
    _drive(simulation, (0,) * 6, 5, gripper=0.0)
    assert simulation.gripper_opening < 0.05
    _drive(simulation, (0,) * 6, 5, gripper=1.0)
    assert simulation.gripper_opening > 0.95


def test_an_arm_pushed_against_the_table_comes_up_at_once(simulation: Simulation) -> None:
    simulation.reset(0)
    _drive(simulation, (0, 0, 0.3, 0, 0, 0), 20)
    lowest = simulation.ee_position[2]
    assert 0.0 < lowest < 0.02
    _drive(simulation, (0, 0, -0.1, 0, 0, 0), 3)
    assert simulation.ee_position[2] - lowest > 0.02


def test_an_arm_driven_out_of_reach_keeps_its_limits_and_comes_back(simulation: Simulation) -> None:
    simulation.reset(0)
    for _ in range(30):
        forward = simulation.ee_rotation.T @ np.array([0.3, 0.0, 0.0])
        simulation.step(Action(np.concatenate((forward, np.zeros(3))).astype(np.float32), 1.0))
    assert np.isfinite(simulation.state()).all()
    limited = simulation.model.jnt_limited.astype(bool)
    joints = simulation.data.qpos[simulation.model.jnt_qposadr[limited]]
    low, high = simulation.model.jnt_range[limited].T
    assert ((joints > low - 0.02) & (joints < high + 0.02)).all()
    far = simulation.ee_position[0]
    for _ in range(10):
        back = simulation.ee_rotation.T @ np.array([-0.3, 0.0, 0.0])
        simulation.step(Action(np.concatenate((back, np.zeros(3))).astype(np.float32), 1.0))
    assert far - simulation.ee_position[0] > 0.1


def test_a_push_by_mouse_moves_a_body_and_ends_when_let_go(simulation: Simulation) -> None:
    simulation.reset(0)
    cube = simulation.data.body("cube")
    before = cube.xpos.copy()
    perturb = mujoco.MjvPerturb()
    perturb.select = cube.id
    perturb.active = int(mujoco.mjtPertBit.mjPERT_TRANSLATE)
    perturb.localpos[:] = 0.0
    perturb.refselpos[:] = before + (0.0, 0.0, 0.2)
    perturb.localmass = 0.05
    simulation.perturb = perturb
    simulation.step(Action.hold(1.0))
    assert cube.xpos[2] > before[2] + 0.005
    simulation.perturb = None
    for _ in range(15):
        simulation.step(Action.hold(1.0))
    assert cube.xpos[2] == pytest.approx(before[2], abs=2e-3)
    assert not simulation.data.xfrc_applied.any()


def test_a_scene_without_the_arm_is_refused_by_the_missing_part(tmp_path: Path) -> None:
    scene = tmp_path / "empty.xml"
    scene.write_text("<mujoco><worldbody/></mujoco>")
    with pytest.raises(SceneError, match="joint1"):
        load_scene(scene)


@pytest.mark.parametrize("text", ["<mujoco><worldbody>", "<mujoco><nonsense/></mujoco>"])
def test_a_scene_that_does_not_compile_is_named(tmp_path: Path, text: str) -> None:
    scene = tmp_path / "broken.xml"
    scene.write_text(text)
    with pytest.raises(SceneError, match=r"The scene broken.xml cannot be loaded: .* Correct the MJCF file"):
        load_scene(scene)


def test_an_unknown_task_is_told_with_the_known_ones() -> None:
    with pytest.raises(SceneError, match="no task 'juggle'; known tasks: lift"):
        load_task("juggle")

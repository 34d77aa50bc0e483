"""Held keys become twists: in the person's directions, soft at the start, still at once when let go."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from vinn_core.session.teleop import SPEED_LEVELS, Move, Teleop, TeleopFrame, TeleopInput

POINTING_DOWN = np.diag([1.0, -1.0, -1.0])
"""The end effector in the world: x forward, y to the right, z (along the fingers) down."""
LINEAR, ANGULAR = SPEED_LEVELS[1]


def _camera(looking: tuple[float, float, float], up: tuple[float, float, float]) -> NDArray[np.float64]:
    """Columns are right, up and backward."""
    return np.column_stack((np.cross(looking, up), up, np.negative(looking)))


ALONG_Y = _camera((0, 1, 0), (0, 0, 1))
ALONG_Y_FROM_ABOVE = _camera((0, 0.6, -0.8), (0, 0.8, 0.6))
STRAIGHT_DOWN = _camera((0, 0, -1), (0, 1, 0))


def _full_speed(held: TeleopInput, ee_rotation: NDArray[np.float64] = POINTING_DOWN) -> NDArray[np.float64]:
    """(6,) the twist once the soft start is over."""
    teleop = Teleop()
    return [teleop.act(held, ee_rotation).twist for _ in range(4)][-1].astype(np.float64)


def _in_world(held: TeleopInput, ee_rotation: NDArray[np.float64]) -> NDArray[np.float64]:
    twist = _full_speed(held, ee_rotation)
    return np.concatenate((ee_rotation @ twist[:3], ee_rotation @ twist[3:]))


@pytest.mark.parametrize("camera", [ALONG_Y, ALONG_Y_FROM_ABOVE, STRAIGHT_DOWN], ids=["level", "from above", "down"])
@pytest.mark.parametrize(
    ("move", "expected"),
    [
        (Move.FORWARD, (0, LINEAR, 0, 0, 0, 0)),
        (Move.BACK, (0, -LINEAR, 0, 0, 0, 0)),
        (Move.LEFT, (-LINEAR, 0, 0, 0, 0, 0)),
        (Move.RIGHT, (LINEAR, 0, 0, 0, 0, 0)),
        (Move.UP, (0, 0, LINEAR, 0, 0, 0)),
        (Move.DOWN, (0, 0, -LINEAR, 0, 0, 0)),
        (Move.YAW_LEFT, (0, 0, 0, 0, 0, ANGULAR)),
        (Move.YAW_RIGHT, (0, 0, 0, 0, 0, -ANGULAR)),
        (Move.PITCH_UP, (0, 0, 0, ANGULAR, 0, 0)),
        (Move.PITCH_DOWN, (0, 0, 0, -ANGULAR, 0, 0)),
        (Move.ROLL_LEFT, (0, 0, 0, 0, -ANGULAR, 0)),
        (Move.ROLL_RIGHT, (0, 0, 0, 0, ANGULAR, 0)),
    ],
)
def test_in_the_camera_frame_keys_mean_what_the_person_sees(
    camera: NDArray[np.float64], move: Move, expected: tuple[float, ...]
) -> None:
    tilted = POINTING_DOWN @ np.array([[0.8, 0.0, 0.6], [0.0, 1.0, 0.0], [-0.6, 0.0, 0.8]])
    held = TeleopInput(frozenset({move}), TeleopFrame.CAMERA, camera_in_world=camera)
    np.testing.assert_allclose(_in_world(held, tilted), expected, atol=1e-6)


def test_without_a_camera_forward_is_away_from_the_robot() -> None:
    held = TeleopInput(frozenset({Move.FORWARD}), TeleopFrame.CAMERA)
    np.testing.assert_allclose(_in_world(held, POINTING_DOWN)[:3], (LINEAR, 0, 0), atol=1e-6)


@pytest.mark.parametrize(
    ("move", "expected"),
    [
        (Move.FORWARD, (0, 0, LINEAR, 0, 0, 0)),
        (Move.LEFT, (0, -LINEAR, 0, 0, 0, 0)),
        (Move.UP, (LINEAR, 0, 0, 0, 0, 0)),
        (Move.ROLL_RIGHT, (0, 0, 0, 0, 0, ANGULAR)),
    ],
)
def test_in_the_end_effector_frame_forward_is_along_the_fingers(move: Move, expected: tuple[float, ...]) -> None:
    held = TeleopInput(frozenset({move}), TeleopFrame.END_EFFECTOR)
    np.testing.assert_allclose(_full_speed(held), expected, atol=1e-6)
    np.testing.assert_allclose(_full_speed(held, np.eye(3)), expected, atol=1e-6)


@pytest.mark.parametrize("level", range(len(SPEED_LEVELS)))
def test_the_speed_level_sets_the_speed(level: int) -> None:
    linear, angular = SPEED_LEVELS[level]
    twist = _full_speed(TeleopInput(frozenset({Move.UP, Move.YAW_LEFT}), speed=level))
    assert np.linalg.norm(twist[:3]) == pytest.approx(linear)
    assert np.linalg.norm(twist[3:]) == pytest.approx(angular)


def test_a_motion_starts_softly_and_stops_at_once() -> None:
    teleop, held = Teleop(), TeleopInput(frozenset({Move.UP}))
    speeds = [float(np.linalg.norm(teleop.act(held, POINTING_DOWN).twist)) for _ in range(3)]
    assert speeds == pytest.approx([LINEAR / 2, LINEAR, LINEAR])
    assert teleop.moving
    assert not teleop.act(TeleopInput(), POINTING_DOWN).twist.any()
    assert not teleop.moving


def test_a_reset_stops_the_arm() -> None:
    teleop, held = Teleop(), TeleopInput(frozenset({Move.UP}))
    teleop.act(held, POINTING_DOWN)
    teleop.reset()
    assert not teleop.moving
    assert np.linalg.norm(teleop.act(held, POINTING_DOWN).twist) == pytest.approx(LINEAR / 2)


def test_opposite_keys_cancel_and_others_add_up() -> None:
    assert not _full_speed(TeleopInput(frozenset({Move.LEFT, Move.RIGHT}))).any()
    both = _in_world(TeleopInput(frozenset({Move.FORWARD, Move.UP})), POINTING_DOWN)
    np.testing.assert_allclose(both[:3], (LINEAR, 0, LINEAR), atol=1e-6)


def test_the_gripper_follows_its_own_key() -> None:
    assert Teleop().act(TeleopInput(gripper_open=True), POINTING_DOWN).gripper == 1.0
    assert Teleop().act(TeleopInput(gripper_open=False), POINTING_DOWN).gripper == 0.0

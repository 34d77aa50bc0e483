"""The commanded arm goes where it is told, within its limits."""

from __future__ import annotations

import mink
import numpy as np
import pytest

from vinn_core.world.control import ArmControl, limit_twist
from vinn_core.world.robot import HOME_JOINTS, MAX_ANGULAR_SPEED, MAX_LINEAR_SPEED

DOWN = np.array([0.0, 1.0, 0.0, 0.0])


@pytest.fixture(scope="module")
def arm() -> ArmControl:
    return ArmControl()


def _follow(arm: ArmControl, twist: tuple[float, ...], seconds: float) -> None:
    start, step_s = arm.pose(), 0.02
    for number in range(1, round(seconds / step_s) + 1):
        arm.follow(start, np.array(twist), number * step_s, step_s=step_s)


@pytest.mark.parametrize("position", [(0.2, -0.16, 0.16), (0.38, 0.16, 0.03), (0.3, 0.0, 0.28)])
def test_a_pose_within_reach_is_found(arm: ArmControl, position: tuple[float, float, float]) -> None:
    assert arm.solve(np.array(position), DOWN)
    np.testing.assert_allclose(arm.pose().translation(), position, atol=1e-3)
    error = (mink.SO3(DOWN).inverse() @ arm.pose().rotation()).log()
    assert np.linalg.norm(error) < 0.01


def test_a_pose_out_of_reach_is_told(arm: ArmControl) -> None:
    assert not arm.solve(np.array([1.5, 0.0, 0.2]), DOWN)


def test_the_home_pose_points_straight_down(arm: ArmControl) -> None:
    arm.set_joints(np.array(HOME_JOINTS))
    np.testing.assert_allclose(arm.pose().rotation().as_matrix()[:, 2], (0, 0, -1), atol=1e-6)


def test_the_commanded_pose_follows_a_twist_exactly(arm: ArmControl) -> None:
    arm.solve(np.array([0.3, 0.0, 0.2]), DOWN)
    start, twist = arm.pose(), (0.1, -0.05, 0.1, 0.1, 0.2, 0.5)
    _follow(arm, twist, 0.4)
    error = (start.rplus(np.array(twist) * 0.4).inverse() @ arm.pose()).log()
    assert np.linalg.norm(error[:3]) < 5e-4
    assert np.linalg.norm(error[3:]) < 5e-3


def test_the_fingers_are_never_commanded_into_the_table(arm: ArmControl) -> None:
    arm.solve(np.array([0.3, 0.0, 0.05]), DOWN)
    _follow(arm, (0.0, 0.0, 0.2, 0.0, 0.0, 0.0), 0.6)
    assert arm.pose().translation()[2] == pytest.approx(0.008, abs=1e-3)


def test_the_command_does_not_run_away_from_a_blocked_arm(arm: ArmControl) -> None:
    arm.set_joints(np.array(HOME_JOINTS))
    measured = np.array(HOME_JOINTS) + (0.5, -0.5, 0.1, 0.0, 0.0, 0.0)
    arm.hold_near(measured)
    np.testing.assert_allclose(arm.joints - measured, (-0.15, 0.15, -0.1, 0, 0, 0), atol=1e-12)


def test_a_slow_twist_is_left_as_it_is() -> None:
    twist = np.array([0.1, -0.1, 0.05, 0.5, -0.5, 1.0], np.float32)
    np.testing.assert_array_equal(limit_twist(twist), twist)


def test_a_fast_twist_keeps_its_direction() -> None:
    limited = limit_twist(np.array([3.0, 4.0, 0.0, 0.0, -9.0, 0.0]))
    np.testing.assert_allclose(limited[:3], np.array([0.6, 0.8, 0.0]) * MAX_LINEAR_SPEED, rtol=1e-6)
    np.testing.assert_allclose(limited[3:], (0.0, -MAX_ANGULAR_SPEED, 0.0), rtol=1e-6)

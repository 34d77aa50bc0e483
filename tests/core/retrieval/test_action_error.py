"""The offline action error of an embedding."""

from __future__ import annotations

import numpy as np
import pytest

from vinn_core.errors import DatasetError
from vinn_core.retrieval.action_error import leave_one_demonstration_out

EPISODES = np.repeat(np.arange(1, 6), 20)
RANDOM = np.random.default_rng(0)
POSITIONS = RANDOM.uniform(-1, 1, (100, 3))
ACTIONS = np.column_stack([-POSITIONS, np.zeros((100, 3)), POSITIONS[:, 2] > 0])


def test_an_embedding_that_tells_the_action_errs_less_than_one_that_does_not() -> None:
    telling = leave_one_demonstration_out(POSITIONS, EPISODES, ACTIONS)
    blind = leave_one_demonstration_out(RANDOM.uniform(-1, 1, (100, 3)), EPISODES, ACTIONS)
    assert telling.relative < 0.6 < 0.9 < blind.relative
    assert telling.linear < blind.linear
    assert telling.gripper < blind.gripper


def test_the_own_demonstration_does_not_answer() -> None:
    vectors = np.eye(5)[EPISODES - 1]  # tells the demonstration and nothing else
    actions = np.zeros((100, 7))
    actions[:, 0] = EPISODES
    assert leave_one_demonstration_out(vectors, EPISODES, actions).linear >= 1.0


def test_actions_that_never_change_are_not_judged() -> None:
    error = leave_one_demonstration_out(POSITIONS, EPISODES, np.ones((100, 7)))
    assert error.relative == 0.0
    assert error.linear == pytest.approx(0.0, abs=1e-9)
    assert error.gripper == 0.0


def test_one_demonstration_is_not_enough() -> None:
    with pytest.raises(DatasetError, match="at least two demonstrations"):
        leave_one_demonstration_out(POSITIONS, np.ones(100, dtype=int), ACTIONS)

"""What VINN is compared with does what its name says."""

from __future__ import annotations

import numpy as np
from baselines import ReplayPolicy

from vinn_core.episodes.episode import Episode, EpisodeInfo, Observation, Source

SEEN = Observation({}, np.zeros(3), np.array([1.0, 0.0, 0.0, 0.0]), 1.0, 0.0)


def test_replay_repeats_what_was_executed_then_holds() -> None:
    clean = np.random.default_rng(0).uniform(-0.1, 0.1, (3, 7)).astype(np.float32)
    executed = clean * 2
    executed[:, 6] = [1.0, 1.0, 0.0]
    info = EpisodeInfo("lift", "none", 0, 10.0, Source.EXPERT, True, "", "2026-01-01T00:00:00+00:00", "")
    none, places = np.zeros(3), np.zeros((3, 3))
    policy = ReplayPolicy(Episode(info, {}, places, np.zeros((3, 4)), none, none, clean, executed, np.zeros((3, 1))))
    for _ in range(2):
        policy.reset()
        for row in executed:
            np.testing.assert_array_equal(policy.act(SEEN).action.as_array(), row)
        for _ in range(2):
            held = policy.act(SEEN).action
            assert not held.twist.any()
            assert held.gripper == 0.0
        assert policy.finished

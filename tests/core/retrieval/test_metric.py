"""The learnt metric: what tells actions apart counts, what only varies from demonstration to demonstration does not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from vinn_core.config import IndexConfig
from vinn_core.progress import StageProgress, StopRequest
from vinn_core.retrieval.action_error import leave_one_demonstration_out
from vinn_core.retrieval.metric import FEWEST_DEMONSTRATIONS, learn_metric

LENGTH = 25


def demonstrations(number: int) -> tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.float32]]:
    """Embeddings whose action follows from two faint directions, beside ten loud ones that differ by demonstration."""
    random = np.random.default_rng(3)
    place = random.uniform(-1.0, 1.0, (number * LENGTH, 2))
    look = np.repeat(random.standard_normal((number, 10)), LENGTH, axis=0)
    noise = 0.1 * random.standard_normal(look.shape)
    actions = np.zeros((len(place), 7), np.float32)
    actions[:, :2] = place
    episodes = np.repeat(np.arange(number, dtype=np.int32), LENGTH)
    return np.hstack([look + noise, 0.5 * place]).astype(np.float32), episodes, actions


def learn(number: int, config: IndexConfig | None = None) -> NDArray[np.float64] | None:
    return learn_metric(
        *demonstrations(number), config=config or IndexConfig(), report=lambda message: None, stop=StopRequest()
    )


def test_frames_near_by_the_learnt_metric_tell_the_action() -> None:
    embeddings, episodes, actions = demonstrations(20)
    metric = learn(20)
    assert metric is not None
    unseen = demonstrations(21)  # the same directions matter in demonstrations it was not learnt from
    for vectors, numbers, wanted in ((embeddings, episodes, actions), unseen):
        before = leave_one_demonstration_out(vectors, numbers, wanted).relative
        after = leave_one_demonstration_out((vectors @ metric).astype(np.float32), numbers, wanted).relative
        assert after < 0.6 * before


def test_learning_again_gives_the_same_metric() -> None:
    first, second = learn(FEWEST_DEMONSTRATIONS), learn(FEWEST_DEMONSTRATIONS)
    assert first is not None
    np.testing.assert_array_equal(first, second)


def test_the_metric_has_the_dimensions_asked_for() -> None:
    metric = learn(FEWEST_DEMONSTRATIONS, replace(IndexConfig(), metric_dimensions=3, metric_steps=2))
    assert metric is not None
    assert metric.shape == (12, 3)


@pytest.mark.parametrize("number", [1, 2, FEWEST_DEMONSTRATIONS - 1])
def test_too_few_demonstrations_keep_the_distance_of_the_embeddings(number: int) -> None:
    assert learn(number) is None


def test_frames_that_are_all_alike_keep_the_distance_of_the_embeddings() -> None:
    embeddings, episodes, actions = demonstrations(FEWEST_DEMONSTRATIONS)
    assert (
        learn_metric(
            0 * embeddings, episodes, actions, config=IndexConfig(), report=lambda message: None, stop=StopRequest()
        )
        is None
    )
    assert (
        learn_metric(
            embeddings, episodes, 0 * actions, config=IndexConfig(), report=lambda message: None, stop=StopRequest()
        )
        is None
    )


def test_it_reports_its_progress_and_stops_when_asked() -> None:
    stop, heard = StopRequest(), []

    def report(message: object) -> None:
        heard.append(message)
        stop.set()

    assert learn_metric(*demonstrations(FEWEST_DEMONSTRATIONS), config=IndexConfig(), report=report, stop=stop) is None
    assert [message.done for message in heard if isinstance(message, StageProgress)] == [1]

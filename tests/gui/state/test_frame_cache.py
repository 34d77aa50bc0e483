"""One cache of recorded frames for all who show them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import recorded
from numpy.typing import NDArray
from pytestqt.qtbot import QtBot

from app.state.frame_cache import EpisodeFrames, Film, FrameCache, load_film
from vinn_core.episodes.dataset import Dataset, save_episode
from vinn_core.episodes.file import EpisodeSummary
from vinn_core.workspace import Workspace

FILM_BYTES = recorded.LENGTH * recorded.SIZE**2 * 3


class Reads:
    """Loads films, and notes which."""

    def __init__(self) -> None:
        self.films: list[Film] = []

    def __call__(self, film: Film) -> NDArray[np.uint8]:
        self.films.append(film)
        return load_film(film)

    def of(self, number: int) -> int:
        """How often that episode was read."""
        return sum(film.path.stem == f"{number:06}" for film in self.films)


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with recorded.make_workspace(tmp_path / "w", [recorded.episode(number) for number in (1, 2, 3, 4)]) as workspace:
        yield workspace


@pytest.fixture
def reads() -> Reads:
    return Reads()


@pytest.fixture
def cache(qapp: object, reads: Reads) -> Iterator[FrameCache]:
    cache = FrameCache(load=reads)
    yield cache
    cache.close()


def summaries(workspace: Workspace, *numbers: int) -> list[EpisodeSummary]:
    return [summary for summary in Dataset(workspace).summaries() if summary.number in numbers]


def shown(qtbot: QtBot, frames: EpisodeFrames, number: int, *, step: int) -> tuple[int, ...]:
    """The colour of that frame, once it is there."""
    qtbot.waitUntil(lambda: frames.frame(number, step, "wrist") is not None)
    image = frames.frame(number, step, "wrist")
    assert image is not None
    return tuple(image[0, 0].tolist())


def test_what_two_show_is_read_once_and_stays_when_one_of_them_goes_on(
    workspace: Workspace, cache: FrameCache, reads: Reads, qtbot: QtBot
) -> None:
    policy, rollout = EpisodeFrames(cache), EpisodeFrames(cache)
    policy.show(summaries(workspace, 1, 2), ["wrist"])
    assert shown(qtbot, policy, 1, step=3) == recorded.colour(1, 3)
    assert shown(qtbot, policy, 2, step=4) == recorded.colour(2, 4)
    rollout.show(summaries(workspace, 2, 3), ["wrist"])
    assert shown(qtbot, rollout, 2, step=5) == recorded.colour(2, 5)
    assert shown(qtbot, rollout, 3, step=6) == recorded.colour(3, 6)
    assert [reads.of(number) for number in (1, 2, 3)] == [1, 1, 1]
    rollout.show(summaries(workspace, 4), ["wrist"])
    assert policy.frame(2, 4, "wrist") is not None
    assert policy.frame(1, 3, "wrist") is not None
    assert rollout.frame(2, 5, "wrist") is None, "it shows another rollout now"


def test_a_number_given_to_another_episode_shows_nothing(
    workspace: Workspace, cache: FrameCache, reads: Reads, qtbot: QtBot
) -> None:
    frames = EpisodeFrames(cache)
    (known,) = summaries(workspace, 4)
    known.path.unlink()
    save_episode(workspace.episodes_folder, recorded.episode(5))
    assert known.path.exists()
    frames.show([known], ["wrist"])
    assert frames.frame(4, 3, "wrist") is None
    qtbot.waitUntil(lambda: reads.of(4) == 2)  # ahead, and when it was asked for
    qtbot.wait(100)
    assert frames.frame(4, 3, "wrist") is None
    frames.show(summaries(workspace, 4), ["wrist"])
    assert shown(qtbot, frames, 4, step=3) == recorded.colour(5, 3)


def test_frames_in_use_stay_right_when_their_file_is_replaced(
    workspace: Workspace, cache: FrameCache, qtbot: QtBot
) -> None:
    policy, rollout = EpisodeFrames(cache), EpisodeFrames(cache)
    policy.show(summaries(workspace, 4), ["wrist"])
    assert shown(qtbot, policy, 4, step=3) == recorded.colour(4, 3)
    summaries(workspace, 4)[0].path.unlink()
    save_episode(workspace.episodes_folder, recorded.episode(5))
    rollout.show(summaries(workspace, 4), ["wrist"])
    assert shown(qtbot, rollout, 4, step=3) == recorded.colour(5, 3)
    assert shown(qtbot, policy, 4, step=3) == recorded.colour(4, 3)


def test_a_changed_outcome_leaves_the_frames_as_they_are(workspace: Workspace, cache: FrameCache, qtbot: QtBot) -> None:
    frames = EpisodeFrames(cache)
    known = summaries(workspace, 1)
    Dataset(workspace).set_success(1, False)
    frames.show(known, ["wrist"])
    assert shown(qtbot, frames, 1, step=3) == recorded.colour(1, 3)


def test_beyond_the_limit_the_least_recently_shown_is_forgotten(
    workspace: Workspace, reads: Reads, qtbot: QtBot
) -> None:
    cache = FrameCache(2 * FILM_BYTES, reads)
    frames = EpisodeFrames(cache)
    frames.show(summaries(workspace, 1, 2, 3, 4), ["wrist"])
    qtbot.waitUntil(lambda: frames.frame(1, 0, "wrist") is not None and frames.frame(2, 0, "wrist") is not None)
    qtbot.wait(100)
    assert len(reads.films) == 2, "there is no room to read more ahead"
    assert frames.frame(1, 0, "wrist") is not None
    assert shown(qtbot, frames, 3, step=2) == recorded.colour(3, 2)
    assert frames.frame(1, 0, "wrist") is not None, "shown more recently than 2"
    assert frames.frame(2, 0, "wrist") is None
    assert shown(qtbot, frames, 2, step=0) == recorded.colour(2, 0)
    cache.close()


def test_a_file_that_cannot_be_read_is_asked_for_once(
    workspace: Workspace, cache: FrameCache, reads: Reads, qtbot: QtBot
) -> None:
    frames = EpisodeFrames(cache)
    (known,) = summaries(workspace, 1)
    frames.show([replace(known, path=known.path.with_name("000099.hdf5"))], ["wrist"])
    for _ in range(5):
        assert frames.frame(1, 0, "wrist") is None
        qtbot.wait(20)
    assert reads.of(99) == 2  # ahead, and when it was asked for

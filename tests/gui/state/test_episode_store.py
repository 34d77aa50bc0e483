"""What the window says of recordings as they are written."""

from __future__ import annotations

from pathlib import Path

import pytest
import recorded
from pytestqt.qtbot import QtBot

from app.state.episode_store import EpisodeStore
from vinn_core.episodes import recorder
from vinn_core.episodes.episode import Episode
from vinn_core.episodes.recorder import FinishedRecording
from vinn_core.errors import WorkspaceError


def test_each_recording_is_told_with_its_own_length_and_outcome_whichever_is_saved_first(
    tmp_path: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = recorder.save_episode
    refusals = [1, 2]

    def save_the_long_one_late(folder: Path, episode: Episode) -> int:
        if len(episode) == 9 and refusals:
            refusals.pop()
            raise WorkspaceError("The disk refuses.")
        return save(folder, episode)

    monkeypatch.setattr(recorder, "save_episode", save_the_long_one_late)
    sentences: list[tuple[str, str]] = []
    with recorded.make_workspace(tmp_path / "w") as workspace:
        store = EpisodeStore(workspace)
        store.notify.connect(lambda level, text: sentences.append((level, text)))
        store.write(FinishedRecording(recorded.episode(1, success=True, length=9), None, 0))
        qtbot.waitUntil(lambda: len(sentences) == 1)
        assert sentences[0][0] == "error"
        store.write(FinishedRecording(recorded.episode(2, success=False, length=5), None, 0))
        qtbot.waitUntil(lambda: len(sentences) == 2)
        assert sentences[1] == ("info", "Episode 1 saved: 5 frames, a failure.")
        store.close()
        qtbot.waitUntil(lambda: len(sentences) == 3)
        assert sentences[2] == ("info", "Episode 2 saved: 9 frames, a success.")

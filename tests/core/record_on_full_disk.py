"""Run by a test on a small file system that is its own: fills the disk while recording, then frees it."""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from episode_samples import CONFIG, record, same_steps, sample_episode, sample_info

from vinn_core.episodes.dataset import Dataset
from vinn_core.episodes.episode import Source
from vinn_core.episodes.recorder import EpisodeWriter, Recorder, recover_recordings
from vinn_core.workspace import Workspace


def main(folder: Path) -> None:
    workspace = Workspace.open(folder / "workspace", CONFIG)
    filler = workspace.path / "filler"
    filler.write_bytes(bytes(300_000))
    episodes = [sample_episode(seed, length=32) for seed in (1, 2)]  # some 200 kB each, as much again in the journal
    problems: list[str] = []
    failures: list[str] = []
    failed = threading.Event()

    def fail(sentence: str) -> None:
        failures.append(sentence)
        failed.set()

    recordings = []
    for episode in episodes:
        recorder = Recorder(workspace.episodes_folder, sample_info(episode.info.seed), problems.append)
        record(recorder, episode)
        recordings.append(recorder.finish(True, Source.TELEOP))
    writer = EpisodeWriter(workspace, lambda number, episode: None, fail)
    writer.write(recordings[0])
    failed.wait(30)
    damaged = [sentence for _, sentence in Dataset(workspace).damaged()]
    filler.unlink()
    writer.write(recordings[1])
    writer.close()
    recover_recordings(workspace)
    dataset = Dataset(workspace)
    loaded = [dataset.load(summary.number) for summary in dataset.summaries()]
    told = {
        "problems": len(problems),
        "failure": failures[0] if failures else "",
        "damaged": damaged,
        "intact_after_freeing_space": [e.info.seed for e in loaded if same_steps(e, episodes[e.info.seed - 1])],
        "leftovers": [path.name for path in workspace.path.rglob(".*") if path.suffix in (".tmp", ".journal")],
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

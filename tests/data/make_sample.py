"""Makes the sample workspace beside this file anew: only when the file format changes, never to please a test.

python tests/data/make_sample.py
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from vinn_core.config import WorkspaceConfig
from vinn_core.episodes.dataset import Dataset, save_episode
from vinn_core.episodes.episode import Episode, Source
from vinn_core.progress import StopRequest
from vinn_core.rollouts.collect import collect
from vinn_core.workspace import Workspace

SAMPLE = Path(__file__).parent / "sample_workspace"


def beginning(episode: Episode, steps: int) -> Episode:
    """A short run that nobody judged."""
    return replace(
        episode,
        info=replace(episode.info, source=Source.AUTONOMOUS, success=None, operator="Zoë"),
        images={camera: frames[:steps] for camera, frames in episode.images.items()},
        **{
            name: getattr(episode, name)[:steps]
            for name in (
                "ee_positions",
                "ee_quaternions",
                "gripper_openings",
                "times",
                "actions",
                "executed_actions",
                "states",
            )
        },
    )


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, Workspace.open(Path(folder), WorkspaceConfig(image_size=32)) as made:
        collect(made, 2, 0, 1.0, "varied", print, StopRequest(), processes=1)
        dataset = Dataset(made)
        second = dataset.load(2)
        dataset.delete([2])
        dataset.empty_trash()
        save_episode(made.episodes_folder, beginning(second, 8))
        dataset.rewrite_master()
        shutil.rmtree(SAMPLE, ignore_errors=True)
        for path in ("workspace.json", "dataset.hdf5", "episodes/000001.hdf5", "episodes/000002.hdf5"):
            (SAMPLE / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(made.path / path, SAMPLE / path)


if __name__ == "__main__":
    main()

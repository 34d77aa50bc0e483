"""Whether what is recorded can be had back: replays, re-rendered observations, embeddings, and the index's answers.

    python benchmarks/fidelity.py [--workspace W] [--quick] [--json results.json]

Without a workspace one of 20 scripted demonstrations (look: varied) is made on the spot.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from common import add_policy, finish, make_workspace

from vinn_core.episodes.dataset import Dataset
from vinn_core.episodes.episode import Observation
from vinn_core.retrieval.embedding import Embedder
from vinn_core.retrieval.index import EmbeddingIndex
from vinn_core.retrieval.store import load_index
from vinn_core.rollouts.replay import replay_episode
from vinn_core.workspace import Workspace
from vinn_core.world.rendering import CameraRenderer
from vinn_core.world.simulation import Simulation
from vinn_core.world.tasks import load_task

MOST_EPISODES = 20
MOST_STATES = 50
K = 5


def measure_replays(workspace: Workspace, numbers: list[int]) -> dict[str, Any]:
    """Open-loop replay of each episode, by its states and by its actions."""
    by_states = [replay_episode(workspace, number, by_states=True) for number in numbers]
    by_actions = [replay_episode(workspace, number, by_states=False) for number in numbers]
    return {
        "episodes": len(numbers),
        "by_states_largest_object_error_mm": 1e3 * max(result.final_object_error_m for result in by_states),
        "by_actions_solved": sum(result.success for result in by_actions),
        "by_actions_largest_object_error_mm": 1e3 * max(result.final_object_error_m for result in by_actions),
    }


def measure_rendering(workspace: Workspace, index: EmbeddingIndex, states: int) -> dict[str, Any]:
    """Recorded states set again, rendered and embedded."""
    from vinn_core.encoder.network import load_encoder

    encoder = load_encoder(workspace.encoders_folder / index.info.encoder)
    embedder = Embedder(encoder, index.transform)
    rows = np.random.default_rng(0).permutation(len(index))[:states]
    different, largest_pixel, largest_embedding = 0, 0, 0.0
    for row in rows:
        episode = Dataset(workspace).load(int(index.episodes[row]))
        step = int(index.steps[row])
        recorded = episode.observation(step)
        simulation = Simulation(load_task(episode.info.task), episode.info.look, episode.info.control_hz)
        simulation.reset(episode.info.seed, episode.info.look)
        simulation.set_state(episode.states[step])
        height, width, _ = next(iter(recorded.images.values())).shape
        with CameraRenderer(simulation.model, height, width) as renderer:
            images = renderer.render_all(simulation.data, tuple(recorded.images))
        pixels = [np.abs(images[name].astype(int) - recorded.images[name]).max() for name in images]
        different += any(pixels)
        largest_pixel = max(largest_pixel, int(max(pixels)))
        again = Observation(
            images, simulation.ee_position, simulation.ee_quaternion, simulation.gripper_opening, recorded.time
        )
        largest_embedding = max(largest_embedding, float(np.abs(embedder.embed(again) - index.embeddings[row]).max()))
    return {
        "states": len(rows),
        "states_with_other_pixels": different,
        "largest_pixel_difference": largest_pixel,
        "largest_embedding_difference": largest_embedding,
    }


def measure_index(index: EmbeddingIndex) -> dict[str, Any]:
    """Every row asked for itself; the k nearest others by Annoy against exact search."""
    itself = sum(index.query(vector, 1)[0][1] == 0.0 for vector in index.vectors)
    k = min(K, len(index) - 1)
    hits = 0
    for row, vector in enumerate(index.vectors):
        farthest = index.query_exact(vector, k + 1)[-1][1]
        found = index.query(vector, k + 1)
        hits += sum(distance <= farthest for other, distance in found if other != row)
    return {"rows": len(index), "rows_that_find_themselves": itself, "recall_at_5": hits / (k * len(index))}


def measure(quick: bool = False, folder: Path | None = None) -> dict[str, Any]:
    episodes, states = (3, 5) if quick else (MOST_EPISODES, MOST_STATES)
    if folder is None:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name) / "workspace"
            make_workspace(folder, episodes, look="varied")
            add_policy(folder)
            return measure(quick, folder)
    with Workspace.open(folder) as workspace:
        if not (workspace.indexes_folder / "default").exists():
            raise SystemExit(f"{folder} has no index yet: python -m vinn_core train --workspace {folder} --index")
        index = load_index(workspace.indexes_folder / "default")
        numbers = [s.number for s in Dataset(workspace).summaries() if s.success][:episodes]
        return {
            "replay": measure_replays(workspace, numbers),
            "rendering": measure_rendering(workspace, index, states),
            "index": measure_index(index),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workspace", type=Path, help="workspace with an index (default: one is made)")
    parser.add_argument("--quick", action="store_true", help="a few episodes, to see that it works")
    parser.add_argument("--json", type=Path, help="write the results here")
    options = parser.parse_args()
    finish(measure(options.quick, options.workspace), options.json)


if __name__ == "__main__":
    main()

"""Whether two checkouts behave alike: the same demonstrations, encoders, indexes and rollouts, bit for bit.

In one workspace for each task, the older checkout collects demonstrations, trains, indexes and evaluates; the newer one
evaluates the index that the older one built, builds its own from the same episodes, and collects the same seeds again.

    python benchmarks/same_behaviour.py --before CHECKOUT [--quick] [--json results.json]

Both run in this environment. Episodes may differ where an executed action was beyond what the arm may do (it is
recorded as applied now), and under the look distractors where the first start pose drawn could not be reached.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from common import ROOT, finish

from vinn_core.config import TASKS
from vinn_core.episodes.dataset import Dataset
from vinn_core.episodes.file import load_episode
from vinn_core.workspace import Workspace
from vinn_core.world.control import limit_twist

DEMONSTRATIONS = 20
"""Enough for a learnt metric."""
ROLLOUTS = 5
ARRAYS = ("ee_positions", "ee_quaternions", "gripper_openings", "times", "actions", "states")
"""What must be alike in episodes of the same seed, beside the images."""


def vinn(checkout: Path, *arguments: str) -> dict[str, Any]:
    """The result of one command of that checkout."""
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    command = [sys.executable, "-m", "vinn_core", *arguments, "--json"]
    ended = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True)
    if ended.returncode:
        raise SystemExit(f"{' '.join(command)} in {checkout} failed:\n{ended.stderr}")
    return json.loads(ended.stdout)


def rolled_out(checkout: Path, folder: Path, index: str, *, rollouts: int) -> list[str]:
    """`trajectory_sha256` of our retrieval and of the paper's."""
    arguments = ("evaluate", "--workspace", str(folder), "--index", index, "--episodes", str(rollouts))
    return [vinn(checkout, *arguments, "--setting", setting)["trajectory_sha256"] for setting in ("default", "plain")]


def compare_episodes(before: Path, after: Path) -> dict[str, int]:
    """How many of the episodes of the same seeds are alike, and why others are not."""
    with Workspace.open(before) as old, Workspace.open(after) as new:
        pairs = list(zip(Dataset(old).summaries(), Dataset(new).summaries(), strict=True))
    counts = {"episodes": len(pairs), "same_fingerprint": 0, "same_but_for_what_was_limited": 0, "otherwise": 0}
    for first, second in pairs:
        if first.fingerprint == second.fingerprint:
            counts["same_fingerprint"] += 1
            continue
        was, now = load_episode(first.path), load_episode(second.path)
        alike = all(np.array_equal(getattr(was, name), getattr(now, name)) for name in ARRAYS)
        alike = alike and all(np.array_equal(was.images[camera], now.images[camera]) for camera in was.images)
        limited = np.stack([np.append(limit_twist(row[:6]), row[6]) for row in was.executed_actions])
        alike = alike and np.array_equal(limited.astype(np.float32), now.executed_actions)
        counts["same_but_for_what_was_limited" if alike else "otherwise"] += 1
    return counts


def measure_task(before: Path, task: str, demonstrations: int, *, rollouts: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        folder, again = Path(name) / "before", Path(name) / "after"
        where = ("--workspace", str(folder))
        collect = ("collect", "--task", task, "--look", "varied", "--episodes", str(demonstrations))
        vinn(before, *collect, *where)
        vinn(before, "train", *where, "--preset", "frozen", "--index")
        expected = rolled_out(before, folder, "default", rollouts=rollouts)
        kept = rolled_out(ROOT, folder, "default", rollouts=rollouts)
        vinn(ROOT, "train", *where, "--preset", "frozen", "--name", "anew", "--index")
        anew = rolled_out(ROOT, folder, "anew", rollouts=rollouts)
        trained = [
            vinn(checkout, "train", *where, "--preset", "tiny", "--name", name)["fingerprint"]
            for checkout, name in ((before, "tiny-before"), (ROOT, "tiny-after"))
        ]
        vinn(ROOT, *collect, "--workspace", str(again))
        episodes = compare_episodes(folder, again)
        shutil.rmtree(folder)
    return {
        "trajectories_of_its_own_index": kept == expected,
        "trajectories_of_an_index_built_anew": anew == expected,
        "trained_encoder": trained[0] == trained[1],
        "collected": episodes,
        "trajectory_sha256": dict(zip(("default", "plain"), expected, strict=True)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, required=True, help="folder of the older checkout")
    parser.add_argument("--quick", action="store_true", help="one task, few demonstrations, to see that it works")
    parser.add_argument("--json", type=Path, help="write the results here")
    options = parser.parse_args()
    tasks, demonstrations, rollouts = (TASKS[:1], 3, 1) if options.quick else (TASKS, DEMONSTRATIONS, ROLLOUTS)
    before = options.before.resolve()
    finish({task: measure_task(before, task, demonstrations, rollouts=rollouts) for task in tasks}, options.json)


if __name__ == "__main__":
    main()

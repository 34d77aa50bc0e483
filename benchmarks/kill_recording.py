"""What a kill -9 in the middle of recording costs: many random kills of a real recording process.

Each trial starts a process that records two episodes and hands them to the background writer, then records a third at
a fixed rate until it is killed. Then the workspace is recovered as at the start of the program, and every frame is
compared with what had been recorded. A finished episode must be there once, whole; of the one in progress every step
that was acknowledged before the kill.

    python benchmarks/kill_recording.py [--kills 30] [--hz 20] [--longest 2.0] [--seed 0] [--json results.json]

Ends with exit code 1 when anything but the step in flight was lost.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from numpy.typing import NDArray

from vinn_core.episodes.dataset import Dataset
from vinn_core.episodes.episode import Action, Episode, EpisodeInfo, Observation, Source
from vinn_core.episodes.recorder import EpisodeWriter, Recorder, recover_recordings
from vinn_core.workspace import Workspace

FINISHED = 2
FINISHED_STEPS = 30
SIZE = 96


def facts(seed: int) -> EpisodeInfo:
    return EpisodeInfo("lift", "none", seed, 10.0, Source.TELEOP, None, "", "2026-01-01T00:00:00+00:00", "<mujoco/>")


def step_of(seed: int, step: int) -> tuple[Observation, Action, Action, NDArray[np.float64]]:
    """What happens in that step of the episode with that seed: the recording process and the check both know."""
    noise = np.random.default_rng((seed, step))
    observation = Observation(
        images={name: noise.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8) for name in ("wrist", "front")},
        ee_position=noise.standard_normal(3),
        ee_quaternion=noise.standard_normal(4),
        gripper_opening=float(noise.random()),
        time=step / 10,
    )
    clean, executed = (Action.from_array(noise.standard_normal(7)) for _ in range(2))
    return observation, clean, executed, noise.standard_normal(30)


def record(recorder: Recorder, seed: int, step: int) -> None:
    """Have that step recorded."""
    observation, clean, executed, state = step_of(seed, step)
    recorder.append(observation, clean, executed, state=state)


def record_until_killed(folder: Path, hz: float) -> None:
    """The process that is killed. Writes a line for each step once the recorder has taken it."""
    workspace = Workspace.open(folder, lock=True)
    writer = EpisodeWriter(workspace, lambda number, episode: None, print)
    for seed in range(FINISHED):
        recorder = Recorder(workspace.episodes_folder, facts(seed))
        for step in range(FINISHED_STEPS):
            record(recorder, seed, step)
        writer.write(recorder.finish(True, Source.TELEOP))
    recorder = Recorder(workspace.episodes_folder, facts(FINISHED))
    os.write(1, b"recording\n")
    due, step = time.perf_counter(), 0
    while True:
        record(recorder, FINISHED, step)
        os.write(1, b"step\n")
        step += 1
        due += 1 / hz
        time.sleep(max(0.0, due - time.perf_counter()))


def is_intact(episode: Episode) -> bool:
    """Whether every frame, action and state is what was recorded."""
    for step in range(len(episode)):
        observation, clean, executed, state = step_of(episode.info.seed, step)
        found = episode.observation(step)
        pairs = [
            (found.ee_position, observation.ee_position),
            (found.ee_quaternion, observation.ee_quaternion),
            (found.gripper_opening, observation.gripper_opening),
            (found.time, observation.time),
            (episode.actions[step], clean.as_array()),
            (episode.executed_actions[step], executed.as_array()),
            (episode.states[step], state),
            *((found.images[name], image) for name, image in observation.images.items()),
        ]
        if not all(np.array_equal(a, b) for a, b in pairs):
            return False
    return True


def kill_once(folder: Path, hz: float, after_s: float) -> dict[str, Any]:
    """Kill a recording process `after_s` after its third episode began, recover, and compare."""
    command = [sys.executable, __file__, "--record-into", str(folder), "--hz", str(hz)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        if process.stdout.readline() != b"recording\n":
            raise RuntimeError("the recording process did not start; see above")
        time.sleep(after_s)
        process.kill()
        acknowledged = process.stdout.read().count(b"step\n")
    with Workspace.open(folder, lock=True) as workspace:
        recover_recordings(workspace)
        dataset = Dataset(workspace)
        episodes = [dataset.load(summary.number) for summary in dataset.summaries()]
        damaged = len(dataset.damaged())
        journals = len(list(workspace.episodes_folder.glob(".recording-*")))
    finished = [episode for episode in episodes if episode.info.seed < FINISHED]
    in_progress = [episode for episode in episodes if episode.info.seed == FINISHED]
    recovered = sum(len(episode) for episode in in_progress)
    return {
        "finished_intact": sum(
            len(episode) == FINISHED_STEPS and episode.info.success is True and is_intact(episode)
            for episode in finished
        ),
        "finished_twice": len(finished) - len({episode.info.seed for episode in finished}),
        "recovered": len(in_progress) <= 1 and all(map(is_intact, in_progress)),
        "steps": acknowledged,
        "steps_lost": max(0, acknowledged - recovered),
        "damaged_files": damaged,
        "journals_left": journals,
    }


def run(kills: int, hz: float, longest_s: float, *, seed: int) -> dict[str, Any]:
    """Summary of `kills` trials at random moments of the first `longest_s` seconds of the third episode."""
    moments = random.Random(seed)
    trials = []
    for number in range(kills):
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            trials.append(kill_once(Path(folder), hz, moments.uniform(0, longest_s)))
        print(f"kill {number + 1} of {kills}: {trials[-1]}", file=sys.stderr)
    return {
        "kills": kills,
        "hz": hz,
        "finished": FINISHED * kills,
        "finished_intact": sum(trial["finished_intact"] for trial in trials),
        "finished_twice": sum(trial["finished_twice"] for trial in trials),
        "recovered": sum(trial["recovered"] for trial in trials),
        "steps": sum(trial["steps"] for trial in trials),
        "steps_lost": sum(trial["steps_lost"] for trial in trials),
        "damaged_files": sum(trial["damaged_files"] for trial in trials),
        "journals_left": sum(trial["journals_left"] for trial in trials),
    }


def nothing_lost(summary: dict[str, Any]) -> bool:
    return (
        summary["finished_intact"] == summary["finished"]
        and summary["recovered"] == summary["kills"]
        and not any(summary[name] for name in ("steps_lost", "finished_twice", "damaged_files", "journals_left"))
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="Random kills of a recording process, and what they cost.")
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--hz", type=float, default=20.0, help="rate of recording")
    parser.add_argument("--longest", type=float, default=2.0, help="latest moment of a kill [s]")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write the summary here")
    parser.add_argument("--record-into", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.record_into:
        record_until_killed(options.record_into, options.hz)
    summary = run(options.kills, options.hz, options.longest, seed=options.seed)
    text = json.dumps(summary, indent=2)
    print(text)
    if options.json:
        options.json.write_text(text + "\n")
    return 0 if nothing_lost(summary) else 1


if __name__ == "__main__":
    sys.exit(main())

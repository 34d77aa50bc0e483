"""Training as the window runs it: a process of its own that is asked to stop, loses its parent, or is killed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from episode_samples import CONFIG, sample_episode

from vinn_core.cli.flags import STOPPED
from vinn_core.cli.main import main
from vinn_core.config import PRESETS
from vinn_core.encoder.store import HISTORY_FILE, has_checkpoint, read_stored_encoder
from vinn_core.encoder.torch_setup import one_thread

import torch  # isort: skip  # after torch_setup
from vinn_core.episodes.dataset import Dataset, save_episode
from vinn_core.progress import (
    JobEvent,
    JobFinished,
    JobStopped,
    Message,
    StageProgress,
    TrainingMetrics,
    decode_event,
)
from vinn_core.retrieval.vinn import load_policy
from vinn_core.workspace import Workspace

ROOT = Path(__file__).resolve().parents[3]
FRAMES = PRESETS["tiny"].batch_size
EPOCHS = 6
STEPS = EPOCHS
DRIVER = """
import sys
from vinn_core.training import run as training
from vinn_core.cli.main import main
training._CHECKPOINT_EVERY_S = training._REPORT_EVERY_S = 0.0  # after every step
sys.exit(main(sys.argv[1:]))
"""


def make_workspace(folder: Path) -> Path:
    with Workspace.open(folder, CONFIG) as workspace:
        save_episode(workspace.episodes_folder, sample_episode(1, FRAMES - 5))
        save_episode(workspace.episodes_folder, sample_episode(2, 5))
    return folder


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace whose encoder "mine" was trained in one go."""
    folder = make_workspace(tmp_path_factory.mktemp("uninterrupted"))
    with one_thread():
        assert main(train(folder)) == 0
    return folder


def train(folder: Path, *options: str, epochs: int = EPOCHS) -> list[str]:
    where = ["--workspace", str(folder), "--name", "mine", "--device", "cpu"]
    return ["train", *where, "--preset", "tiny", "--epochs", str(epochs), *options]


@contextmanager
def running(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A Python process on one core whose stdin and stdout are ours."""
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def read_until(process: subprocess.Popen[str], enough: Callable[[JobEvent], bool]) -> list[JobEvent]:
    """The events up to the first that is `enough`."""
    assert process.stdout is not None
    events: list[JobEvent] = []
    for line in process.stdout:
        event = decode_event(line)
        assert event is not None, line
        events.append(event)
        if enough(event):
            return events
    raise AssertionError(f"the process ended: {process.stderr and process.stderr.read()}")


def test_the_action_error_is_told_with_the_result(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_workspace(tmp_path / "workspace")
    assert main(train(folder, "--keep", "best", "--patience", "1")) == 0
    told = capsys.readouterr()
    stored = read_stored_encoder(folder / "encoders" / "mine")
    assert (stored.train.keep, stored.train.patience) == ("best", 1)
    assert stored.probe is not None
    assert told.out == f"encoder 'mine' trained on {FRAMES} frames; {stored.probe.in_words()}\n"
    assert f"action error={stored.probe.points[-1].relative:.2f}" in told.err


def any_step(event: JobEvent) -> bool:
    return isinstance(event, TrainingMetrics)


def fingerprint(folder: Path) -> str:
    return read_stored_encoder(folder / "encoders" / "mine").fingerprint


def history(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "encoders" / "mine" / HISTORY_FILE).read_text().splitlines()]


def test_killed_training_resumes_from_its_checkpoint_and_ends_bit_equal(uninterrupted: Path, tmp_path: Path) -> None:
    folder = make_workspace(tmp_path / "workspace")
    with running("-c", DRIVER, *train(folder, "--events")) as process:
        read_until(process, lambda event: isinstance(event, TrainingMetrics) and event.step == 3)
        process.kill()
        process.wait()
    checkpoint = torch.load(folder / "encoders" / "mine" / "checkpoint.pt", weights_only=True)
    assert 2 <= checkpoint["step"] < STEPS
    assert not (folder / "encoders" / "mine" / "encoder.pt").exists()

    assert main(train(folder, "--resume")) == 0
    assert fingerprint(folder) == fingerprint(uninterrupted)
    steps = [point["step"] for point in history(folder)]
    assert steps == sorted(set(steps))
    assert history(folder)[-1]["loss"] == history(uninterrupted)[-1]["loss"]
    assert not has_checkpoint(folder / "encoders", "mine")


@pytest.mark.parametrize("way", ["stop", "end of file"])
def test_asked_to_stop_it_keeps_a_checkpoint_and_says_how_to_go_on(
    way: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_workspace(tmp_path / "workspace")
    with running("-m", "vinn_core", *train(folder, "--events", epochs=1000)) as process:
        events = read_until(process, any_step)
        assert process.stdin is not None
        if way == "stop":
            print("stop", file=process.stdin, flush=True)
        else:
            process.stdin.close()
        events += read_until(process, lambda event: isinstance(event, JobStopped))
        assert process.wait() == STOPPED
    assert "--resume" in events[-1].text  # type: ignore[union-attr]
    assert has_checkpoint(folder / "encoders", "mine")
    assert not (folder / "encoders" / "mine" / "encoder.pt").exists()

    started = [event for event in events if isinstance(event, Message)]
    assert started[0].text == "Training starts from: random initialisation."
    progress = [event for event in events if isinstance(event, StageProgress)]
    assert (progress[0].stage, progress[0].done, progress[0].total) == ("Training encoder", 0, 1000)
    later = progress[-1]
    assert later.done > 0
    assert later.total == 1000
    assert later.unit == "step"
    assert later.seconds_left is not None
    assert later.seconds_left > 0

    assert main(train(folder, "--resume")) == 2  # 1000 epochs were asked for, not 6
    assert capsys.readouterr().err.splitlines()[-1].endswith("belongs to other settings; train it anew.")


def test_train_and_index_in_one_job_ends_with_a_policy_that_runs(tmp_path: Path) -> None:
    folder = make_workspace(tmp_path / "workspace")
    with running("-m", "vinn_core", *train(folder, "--index", "--events", epochs=1)) as process:
        events = read_until(process, lambda event: isinstance(event, JobFinished))
        assert process.wait() == 0  # although nobody closed its stdin
    stages = [event for event in events if isinstance(event, StageProgress)]
    assert list(dict.fromkeys(event.stage for event in stages)) == [
        "Training encoder",
        "Embedding frames",
        "Building index",
    ]
    for stage in ("Training encoder", "Embedding frames", "Building index"):
        last = [event for event in stages if event.stage == stage][-1]
        assert last.done == last.total > 0
    with Workspace.open(folder) as workspace:
        policy = load_policy(workspace, "mine")
        assert set(policy.index.episodes) == {1, 2}
        policy.act(Dataset(workspace).load(1).observation(0))


def test_a_new_run_forgets_the_checkpoint_of_the_last(uninterrupted: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(uninterrupted, tmp_path / "workspace")
    (folder / "encoders" / "mine" / "checkpoint.pt").write_bytes(b"of a run long ago")
    assert main(train(folder, epochs=0)) == 0
    assert not has_checkpoint(folder / "encoders", "mine")
    assert not (folder / "encoders" / "mine" / HISTORY_FILE).exists()

"""The command line: help, results for people and programs, exit codes, and one clear line when something is wrong."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import psutil
import pytest

from vinn_core import __version__
from vinn_core.cli import evaluate as evaluate_command
from vinn_core.cli.main import main
from vinn_core.cli.output import JobOutput
from vinn_core.config import EvaluateJob, WorkspaceConfig
from vinn_core.episodes.dataset import Dataset
from vinn_core.progress import JobFinished, JobStopped, StageProgress, decode_event
from vinn_core.rollouts.evaluation import wilson_interval
from vinn_core.rollouts.store import list_evaluations, load_rollout
from vinn_core.workspace import Workspace

ROOT = Path(__file__).resolve().parents[3]
SAMPLE = ROOT / "tests" / "data" / "sample_workspace"
COMMANDS = ("collect", "replay", "train", "index", "evaluate", "info", "doctor")

Told = Callable[..., tuple[int, str, str]]


@pytest.fixture
def vinn(capsys: pytest.CaptureFixture[str]) -> Told:
    """Runs one command in this process: exit code, standard output, standard error."""

    def run(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as ended:
            code = int(ended.code or 0)
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """A workspace with two episodes."""
    return Path(shutil.copytree(SAMPLE, tmp_path / "sample"))


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """A workspace without episodes."""
    path = tmp_path / "empty"
    Workspace.open(path, WorkspaceConfig(image_size=32)).close()
    return path


def _one_object(text: str) -> dict[str, Any]:
    """What `--json` printed: one line, one object."""
    [line] = text.splitlines()
    return json.loads(line)


def _last_line(text: str) -> str:
    """The line a person is left with; a progress bar that was there before wipes itself out."""
    assert "Traceback" not in text
    return text.rstrip("\n").split("\r")[-1].split("\n")[-1]


# --- help and bad usage ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(vinn: Told, command: str) -> None:
    code, out, err = vinn(command, "--help")
    assert (code, err) == (0, "")
    assert out.startswith(f"usage: vinn {command}")
    assert "--workspace" in out
    assert "--json" in out


def test_the_help_lists_all_commands(vinn: Told) -> None:
    code, out, _ = vinn("--help")
    assert code == 0
    assert all(f"\n    {command} " in out for command in COMMANDS)


def test_it_runs_as_a_module_and_tells_its_version() -> None:
    command = [sys.executable, "-m", "vinn_core", "--version"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, f"vinn {__version__}\n", "")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "vinn: the following arguments are required: COMMAND; see vinn --help"),
        (["juggle"], "invalid choice: 'juggle'"),
        (["info"], "the following arguments are required: --workspace; see vinn info --help"),
        (["replay", "--workspace", "w"], "the following arguments are required: --episode"),
        (["replay", "--workspace", "w", "--episode", "first"], "argument --episode: first; use 1 or more"),
        (["collect", "--workspace", "w", "--episodes", "0"], "argument --episodes: 0; use 1 or more"),
        (["collect", "--workspace", "w", "--seed", "-1"], "argument --seed: -1; use 0 or more"),
        (["collect", "--workspace", "w", "--noise", "nan"], "argument --noise: nan; use 0 or more"),
        (["collect", "--workspace", "w", "--look", "dark"], "invalid choice: 'dark' (choose from"),
        (["evaluate", "--workspace", "w", "--policy", "luck"], "invalid choice: 'luck' (choose from 'vinn', 'expert'"),
        (["evaluate", "--workspace", "w", "--compare", "a:b"], "'b' is no setting; choose one of: default, plain"),
        (["evaluate", "--workspace", "w", "--compare", "../a"], "'../a' is no name; use letters"),
        (["evaluate", "--workspace", "w", "--processes", "0"], "argument --processes: 0; use 1 or more"),
        (["train", "--workspace", "w", "--name", "../x"], "argument --name: '../x' is no name; use letters"),
        (["train", "--workspace", "w", "--name", ""], "argument --name: '' is no name"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_usage_is_told_in_one_line(
    vinn: Told, arguments: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = vinn(*arguments)
    assert (code, out) == (2, "")
    assert told in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


# --- bad input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments", [["info"], ["replay", "--episode", "1"], ["train"], ["index"], ["evaluate"]], ids=lambda a: a[0]
)
def test_a_missing_workspace_is_told_with_a_way_to_begin(vinn: Told, arguments: list[str], tmp_path: Path) -> None:
    missing = tmp_path / "nowhere"
    code, out, err = vinn(*arguments, "--workspace", missing)
    assert (code, out) == (2, "")
    assert err == (
        f"{missing} is not a workspace. Record in the window, or begin with: vinn collect --workspace {missing}\n"
    )
    assert not missing.exists()


def test_training_without_episodes_is_told_with_a_way_to_get_some(vinn: Told, empty: Path) -> None:
    code, out, err = vinn("train", "--workspace", empty)
    assert (code, out) == (2, "")
    assert err.startswith("There are no episodes yet. Record at least one demonstration, or add scripted ones")
    assert err.count("\n") == 1


def test_indexing_without_an_encoder_is_told(vinn: Told, sample: Path) -> None:
    code, out, err = vinn("index", "--workspace", sample, "--encoder", "best")
    assert (code, out) == (2, "")
    assert err == "no encoder 'best'; there is none yet: train one.\n"


def test_a_missing_episode_is_told_with_those_there_are(vinn: Told, sample: Path, empty: Path) -> None:
    code, out, err = vinn("replay", "--workspace", sample, "--episode", "9")
    assert (code, out, err) == (2, "", "no episode 9 in sample; there are 1 to 2.\n")
    code, out, err = vinn("replay", "--workspace", empty, "--episode", "1")
    assert (code, out, err) == (2, "", "no episode 1 in empty; there are no episodes yet.\n")


def test_a_missing_index_is_told_although_workers_look_for_it(vinn: Told, sample: Path) -> None:
    code, out, err = vinn("evaluate", "--workspace", sample, "--index", "best", "--episodes", "1")
    assert (code, out) == (2, "")
    assert _last_line(err).strip() == "There is no index 'best' yet: build the index first."


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--k", "0"], "k = 0; use k >= 1."),
        (["--temperature", "0"], "temperature = 0.0; use above 0."),
        (["--policy", "expert", "--video", "film.mp4"], "which the policy expert has none of"),
        (["--compare", "expert", "other"], "There is no index 'other' yet: build the index first."),
        (["--compare", "expert", "expert"], "names one policy twice: expert, expert"),
        (["--compare", "expert", "random", "--video", "film.mp4"], "films one policy; leave out either"),
    ],
    ids=["k", "temperature", "video", "no index", "twice", "film of several"],
)
def test_settings_that_cannot_work_are_told_before_anything_runs(
    vinn: Told, sample: Path, options: list[str], told: str
) -> None:
    code, out, err = vinn("evaluate", "--workspace", sample, *options)
    assert (code, out) == (2, "")
    assert told in err
    assert err.count("\n") == 1


def test_a_broken_workspace_is_named(vinn: Told, sample: Path) -> None:
    (sample / "workspace.json").write_text("{")
    code, out, err = vinn("info", "--workspace", sample)
    assert (code, out) == (2, "")
    assert f"{sample / 'workspace.json'} cannot be read" in err
    assert err.count("\n") == 1


# --- results --------------------------------------------------------------------------------------------------------


def test_info_counts_what_there_is(vinn: Told, sample: Path) -> None:
    (sample / "episodes" / "000003.hdf5").write_bytes(b"cut off")
    code, out, err = vinn("info", "--workspace", sample, "--json")
    assert (code, err) == (0, "")
    told = _one_object(out)
    assert (told["task"], told["episodes"], len(told["damaged"])) == ("lift", 2, 1)
    code, out, _ = vinn("info", "--workspace", sample)
    assert code == 0
    assert "episodes: 2\n" in out


def test_replay_tells_how_it_ended(vinn: Told, sample: Path) -> None:
    code, out, err = vinn("replay", "--workspace", sample, "--episode", "1", "--states", "--json")
    assert (code, err) == (0, "")
    told = _one_object(out)
    assert (told["episode"], told["by"], told["final_object_error_m"]) == (1, "states", 0.0)
    code, out, _ = vinn("replay", "--workspace", sample, "--episode", "1", "--states")
    assert out.startswith("episode 1 by states: final object error 0.000 mm, ")


def test_collecting_makes_a_workspace_and_goes_on_in_it(vinn: Told, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "new"
    code, out, err = vinn("collect", "--workspace", path, "--episodes", "2", "--seed", "5", "--json")
    assert code == 0
    told = _one_object(out)
    assert (told["episodes"], told["seeds"], told["failed_seeds"]) == ([1, 2], [5, 6], [])
    assert "Collecting demonstrations" in err
    code, out, _ = vinn("collect", "--workspace", path, "--episodes", "1", "--seed", "5", "--look", "varied")
    assert code == 0
    assert out.startswith("1 demonstrations, ")
    with Workspace.open(path) as workspace:
        assert workspace.config == WorkspaceConfig()
        summaries = Dataset(workspace).summaries()
    assert [(summary.number, summary.seed, summary.look) for summary in summaries] == [
        (1, 5, "none"),
        (2, 6, "none"),
        (3, 5, "varied"),
    ]
    assert all(summary.success and str(summary.source) == "expert" for summary in summaries)
    assert told["frames"] == summaries[0].length + summaries[1].length


def test_evaluation_tells_all_and_does_not_depend_on_the_number_of_processes(vinn: Told, sample: Path) -> None:
    common = ("evaluate", "--workspace", sample, "--policy", "expert", "--episodes", "3", "--seed", "70", "--json")
    code, out, err = vinn(*common, "--processes", "1")
    assert code == 0
    alone = _one_object(out)
    assert {"success_rate", "interval", "episodes", "seeds", "outcomes", "trajectory_sha256"} <= set(alone)
    assert (alone["episodes"], alone["seeds"], alone["outcomes"]) == (3, [70, 71, 72], ["success"] * 3)
    assert alone["success_rate"] == 1.0
    assert alone["interval"] == pytest.approx(wilson_interval(3, 3))
    assert "Rolling out" in err
    together = _one_object(vinn(*common, "--processes", "2")[1])
    assert together["trajectory_sha256"] == alone["trajectory_sha256"]
    assert together["ticks"] == alone["ticks"]
    other = _one_object(vinn(*common[:-2], "71", "--json", "--processes", "1")[1])
    assert other["trajectory_sha256"] != alone["trajectory_sha256"]


def test_several_policies_are_compared_over_the_same_seeds_and_kept(vinn: Told, sample: Path) -> None:
    common = ("evaluate", "--workspace", sample, "--episodes", "2", "--seed", "70", "--processes", "1")
    code, out, err = vinn(*common, "--compare", "expert", "random", "--save", "try", "--json")
    assert code == 0
    told = _one_object(out)
    expert, random = told["policies"]["expert"], told["policies"]["random"]
    assert (expert["outcomes"], random["outcomes"]) == (["success"] * 2, ["time-out"] * 2)
    assert expert["seconds_to_success"] == pytest.approx(sum(expert["ticks"]) / 20)
    assert random["seconds_to_success"] is None
    [pair] = told["pairs"]
    assert (pair["first"], pair["second"], pair["only_first"], pair["p_value"]) == ("expert", "random", 2, 0.5)
    assert "Rolling out expert" in err
    stored = {each.result.label: each for each in list_evaluations(sample / "evaluations")}
    assert {policy: each.name for policy, each in stored.items()} == {"expert": "try-expert", "random": "try-random"}
    states = [load_rollout(sample / "evaluations", stored["expert"], seed).states for seed in (70, 71)]
    digest = hashlib.sha256(b"".join(state.tobytes() for state in states)).hexdigest()
    assert digest == expert["trajectory_sha256"]

    code, out, err = vinn(*common, "--compare", "expert", "--save", "try")
    assert (code, out) == (2, "")
    assert err == "There is an evaluation 'try-expert' already; choose another name, or delete it first.\n"


def test_a_comparison_is_read_as_a_table_and_failures_are_filmed(vinn: Told, sample: Path, tmp_path: Path) -> None:
    films = tmp_path / "films"
    arguments = ("--episodes", "1", "--seed", "70", "--processes", "1", "--film-failures", films)
    code, out, _ = vinn("evaluate", "--workspace", sample, "--compare", "random", "expert", *arguments)
    assert code == 0
    rates, tests = out.split("\n\n")
    assert [line.split()[:2] for line in rates.splitlines()[1:]] == [["random", "0.000"], ["expert", "1.000"]]
    assert tests.splitlines()[1].split() == ["random", "expert", "0", "0", "1", "0", "1"]
    assert [path.relative_to(films).as_posix() for path in films.rglob("*.mp4")] == ["random/seed-70.mp4"]


def test_a_stopped_evaluation_keeps_what_is_done(sample: Path, capsys: pytest.CaptureFixture[str]) -> None:
    job = EvaluateJob(policy="expert", episodes=9, seed=70, processes=1, save="cut")
    output = JobOutput(as_json=True)
    output.stop.set()
    with Workspace.open(sample) as workspace:
        assert evaluate_command.run(workspace, job, output) == 3
    assert _one_object(capsys.readouterr().out)["seeds"] == [70]
    [stored] = list_evaluations(sample / "evaluations")
    assert (stored.name, stored.result.seeds) == ("cut", (70,))
    assert load_rollout(sample / "evaluations", stored, 70).success


def test_a_policy_that_fails_is_no_failure_of_the_command(vinn: Told, sample: Path) -> None:
    code, out, _ = vinn("evaluate", "--workspace", sample, "--policy", "random", "--episodes", "1")
    assert code == 0
    assert out.startswith("success rate 0.000 [0.000, 0.793] over 1 rollouts")


@pytest.mark.parametrize(
    ("successes", "trials", "interval"),
    [(0, 0, (0.0, 1.0)), (0, 10, (0.0, 0.2775)), (5, 10, (0.2366, 0.7634)), (50, 50, (0.9287, 1.0))],
)
def test_the_interval_is_that_of_wilson(successes: int, trials: int, interval: tuple[float, float]) -> None:
    assert wilson_interval(successes, trials) == pytest.approx(interval, abs=1e-4)


def test_the_doctor_looks_at_everything_and_gives_a_cure_for_what_is_missing(vinn: Told, tmp_path: Path) -> None:
    code, out, err = vinn("doctor", "--workspace", tmp_path / "not" / "there", "--json")
    assert (code, err) == (0, "")
    told = _one_object(out)
    names = [finding["name"] for finding in told["findings"]]
    assert names == ["OpenGL", "Display", "PyTorch", "Encoder weights", "Disk"]
    assert told["ok"] is all(finding["ok"] for finding in told["findings"])
    assert all(finding["ok"] or finding["cure"] for finding in told["findings"])
    assert not (tmp_path / "not").exists()


# --- jobs that are interrupted --------------------------------------------------------------------------------------


class Collecting:
    """A running `collect --events` that would never end by itself."""

    def __init__(self, workspace: Path) -> None:
        self.workspace = workspace
        command = [sys.executable, "-m", "vinn_core", "collect", "--workspace", str(workspace), "--events"]
        self.process = subprocess.Popen(
            [*command, "--episodes", "100000", "--noise", "0"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.finished = 0

    @property
    def input(self) -> IO[str]:
        assert self.process.stdin is not None
        return self.process.stdin

    @property
    def output(self) -> IO[str]:
        assert self.process.stdout is not None
        return self.process.stdout

    def wait_for_an_episode(self) -> None:
        for line in self.output:
            event = decode_event(line)
            if isinstance(event, StageProgress) and event.done:
                self.finished = event.done
                return
        assert self.process.stderr is not None
        raise AssertionError(f"it ended: {self.process.stderr.read()}")

    def end(self) -> tuple[int, list[str], str]:
        """Exit code, the lines that were not read yet, standard error."""
        assert self.process.stderr is not None
        lines = [] if self.output.closed else self.output.readlines()
        errors = self.process.stderr.read()
        return self.process.wait(60), lines, errors

    def close(self) -> None:
        self.process.kill()
        self.process.wait(60)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None and not stream.closed:
                stream.close()


@pytest.fixture
def collecting(empty: Path) -> Any:
    collecting = Collecting(empty)
    yield collecting
    collecting.close()


def _assert_intact(collecting: Collecting) -> None:
    with Workspace.open(collecting.workspace) as workspace:
        dataset = Dataset(workspace)
        summaries = dataset.summaries()
        assert len(summaries) >= collecting.finished > 0
        assert dataset.damaged() == []
        assert dataset.load(summaries[-1].number).info.success is True


@pytest.mark.parametrize("how", ["stop line", "end of input", "Ctrl-C"])
def test_a_job_that_is_asked_to_stop_keeps_what_it_has(collecting: Collecting, how: str) -> None:
    collecting.wait_for_an_episode()
    if how == "stop line":
        collecting.input.write("stop\n")
        collecting.input.flush()
    elif how == "end of input":
        collecting.input.close()
    else:
        collecting.process.send_signal(signal.SIGINT)
    code, lines, errors = collecting.end()
    assert (code, errors) == (3, "")
    last = decode_event(lines[-1])
    assert isinstance(last, JobStopped)
    assert "demonstrations were kept" in last.text
    _assert_intact(collecting)


def test_a_job_whose_reader_vanishes_ends_quietly(collecting: Collecting) -> None:
    collecting.wait_for_an_episode()
    collecting.output.close()
    code, _, errors = collecting.end()
    assert (code, errors) == (3, "")
    _assert_intact(collecting)


def test_a_killed_job_leaves_no_workers_and_no_half_episodes(collecting: Collecting) -> None:
    collecting.wait_for_an_episode()
    workers = psutil.Process(collecting.process.pid).children(recursive=True)
    assert workers
    collecting.process.kill()
    collecting.process.wait(60)
    _, alive = psutil.wait_procs(workers, timeout=30)
    assert alive == []
    _assert_intact(collecting)


def test_a_worker_that_dies_is_told_in_a_sentence(collecting: Collecting) -> None:
    collecting.wait_for_an_episode()
    children = psutil.Process(collecting.process.pid).children()
    worker = next(child for child in children if "spawn_main" in " ".join(child.cmdline()))
    worker.kill()
    code, _, errors = collecting.end()
    assert code == 2
    assert errors.startswith("A worker process died")
    assert errors.count("\n") == 1
    _assert_intact(collecting)


def test_the_last_event_carries_the_result(empty: Path) -> None:
    command = [sys.executable, "-m", "vinn_core", "collect", "--workspace", str(empty), "--events", "--episodes", "1"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        events = [decode_event(line) for line in process.stdout]
    assert process.returncode == 0
    assert None not in events
    assert events[0] == StageProgress("Collecting demonstrations", 0, 1, "episode")
    assert isinstance(events[-1], JobFinished)
    assert events[-1].result["episodes"] == [1]

"""Command line: python -m vinn_core COMMAND. The window runs its long jobs through it too (--events)."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from vinn_core import __version__
from vinn_core.arguments import BAD_INPUT, STOPPED, OneLineParser, at_least, folder_name
from vinn_core.command_output import JobOutput
from vinn_core.config import (
    BACKBONES,
    KEEP,
    LOOKS,
    PRESETS,
    START_WEIGHTS,
    TASKS,
    IndexConfig,
    WorkspaceConfig,
    preset,
)
from vinn_core.errors import VinnError
from vinn_core.evaluate_command import add_options as add_evaluate_options
from vinn_core.probe_curve import ProbeCurve


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns 0 on success, 2 for bad input (one clear line on stderr), 3 when stopped early."""
    options = _parser().parse_args(arguments)
    output = JobOutput(as_json=options.json, as_events=options.events)
    try:
        with _stopped_by_signals(output) if options.long else nullcontext():
            return options.run(options, output)
    except VinnError as error:
        output.fail(str(error))
        return BAD_INPUT
    except OSError as error:
        output.fail(f"{error.strerror or error}: {error.filename or 'file system'}. Nothing else was changed.")
        return BAD_INPUT
    except KeyboardInterrupt:
        output.fail("Stopped.")
        return STOPPED


@contextmanager
def _stopped_by_signals(output: JobOutput) -> Iterator[None]:
    """Ctrl-C ends a long job as the window's stop button does: it keeps what it has. The second one ends it at once."""
    signals = (signal.SIGINT, signal.SIGTERM)
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in signals}

    def stop(number: int, frame: object) -> None:
        output.stop.set()
        for name in signals:
            signal.signal(name, signal.default_int_handler)

    for number in signals:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _open(options: argparse.Namespace, create: bool = False) -> Any:
    from vinn_core.errors import WorkspaceError
    from vinn_core.workspace import Workspace

    path: Path = options.workspace
    if create and not (path / "workspace.json").exists():
        return Workspace.open(path, WorkspaceConfig(task=options.task or "lift", look=options.look or "none"))
    if not (path / "workspace.json").exists():
        raise WorkspaceError(
            f"{path} is not a workspace. Record in the window, or begin with: vinn collect --workspace {path}"
        )
    return Workspace.open(path)


def _collect(options: argparse.Namespace, output: JobOutput) -> int:
    from vinn_core.collect import collect

    with _open(options, create=True) as workspace:
        result = collect(
            workspace, options.episodes, options.seed, options.noise, options.look, output.report, output.stop
        )
    if result["stopped"]:
        output.stopped(f"Stopped; {len(result['episodes'])} demonstrations were kept.", result)
        return STOPPED
    output.finish(result, f"{len(result['episodes'])} demonstrations, {result['frames']} frames")
    return 0


def _replay(options: argparse.Namespace, output: JobOutput) -> int:
    from vinn_core.replay import replay

    with _open(options) as workspace:
        result = replay(workspace, options.episode, options.states)
    output.finish(
        result,
        f"episode {result['episode']} by {result['by']}: "
        f"final object error {result['final_object_error_m'] * 1e3:.3f} mm, "
        f"{'solved' if result['success'] else 'not solved'}",
    )
    return 0


def _train(options: argparse.Namespace, output: JobOutput) -> int:
    changes = {
        name: value
        for name in (
            "backbone",
            "epochs",
            "fewest_steps",
            "batch_size",
            "learning_rate",
            "max_minutes",
            "keep",
            "compare_with_start",
            "patience",
            "seed",
            "device",
        )
        if (value := getattr(options, name)) is not None
    }
    if options.weights is not None:
        changes["start_weights"] = options.weights
    if options.camera:
        changes["cameras"] = tuple(options.camera)
    config = preset(options.preset, **changes)
    with _open(options) as workspace:
        from vinn_core.training import train_on_workspace  # after what may be refused: torch takes seconds to load

        result = train_on_workspace(workspace, options.name, config, output.report, output.stop, options.resume)
        if result.get("stopped"):
            output.stopped("Stopped; a checkpoint was kept. Go on with --resume.", result)
            return STOPPED
        if options.index:
            built = _build(workspace, options.name, options.name, IndexConfig(), output)
            if built is None:
                return STOPPED
            result["index"] = built
    error = ProbeCurve.from_dict(result["probe"]).in_words()
    output.finish(result, f"encoder '{options.name}' trained on {result['frames']} frames{error and f'; {error}'}")
    return 0


def _index(options: argparse.Namespace, output: JobOutput) -> int:
    names = ("whiten", "proprioception_weight", "metric_steps")
    changes = {name: getattr(options, name) for name in names}
    config = IndexConfig(**{name: value for name, value in changes.items() if value is not None})
    with _open(options) as workspace:
        built = _build(workspace, options.encoder, options.name or options.encoder, config, output)
    if built is None:
        return STOPPED
    output.finish(built, f"index '{built['name']}' of {built['frames']} frames, recall@5 {built['recall']:.3f}")
    return 0


def _build(
    workspace: Any, encoder_name: str, name: str, config: IndexConfig, output: JobOutput
) -> dict[str, Any] | None:
    """Build an index; None (and already reported) when stopped."""
    from vinn_core.encoder import load_encoder
    from vinn_core.index import build_index

    encoder = load_encoder(workspace.encoders_folder / encoder_name)
    index = build_index(workspace, encoder, encoder_name, config, name, output.report, output.stop)
    if index is None:
        output.stopped("Stopped; the index was not changed.", {})
        return None
    return {"name": name, "encoder": encoder_name, "frames": len(index), "recall": index.info.recall}


def _evaluate(options: argparse.Namespace, output: JobOutput) -> int:
    from vinn_core import evaluate_command

    with _open(options) as workspace:
        return evaluate_command.run(workspace, options, output)


def _info(options: argparse.Namespace, output: JobOutput) -> int:
    from vinn_core.summary import describe

    with _open(options) as workspace:
        result = describe(workspace)
    output.finish(result, "\n".join(f"{name}: {value}" for name, value in result.items()))
    return 0


def _doctor(options: argparse.Namespace, output: JobOutput) -> int:
    from vinn_core.doctor import as_json, examine

    findings = examine(options.workspace or Path.cwd())
    lines = [f"{'ok  ' if f.ok else 'MISS'} {f.name}: {f.found}{'  -> ' + f.cure if f.cure else ''}" for f in findings]
    output.finish(as_json(findings), "\n".join(lines))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = OneLineParser(prog="vinn", description="Teach a robot arm by showing: record, train, index, run.")
    parser.add_argument("--version", action="version", version=f"vinn {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Any, text: str, workspace: bool = True, long: bool = False) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(run=run, long=long, events=False)
        added.add_argument("--workspace", type=Path, required=workspace, help="workspace folder")
        added.add_argument("--json", action="store_true", help="print the result as one JSON object on stdout")
        if long:
            added.add_argument(
                "--events",
                action="store_true",
                help="write progress as JSON lines on stdout; 'stop' or end of file on stdin ends the job",
            )
        return added

    collect = command("collect", _collect, "Record demonstrations of the scripted expert.", long=True)
    collect.add_argument("--task", choices=TASKS, help="task of a new workspace")
    collect.add_argument("--look", choices=LOOKS, help="visual variation; default: the workspace's")
    collect.add_argument("--episodes", type=at_least(1, int), default=100)
    collect.add_argument("--seed", type=at_least(0, int), default=0, help="seed of the first demonstration")
    collect.add_argument(
        "--noise", type=at_least(0, float), default=1.0, help="noise in the executed actions, 0 for none"
    )

    replay = command("replay", _replay, "Replay a recorded episode open loop.")
    replay.add_argument("--episode", type=at_least(1, int), required=True, help="episode number")
    replay.add_argument("--states", action="store_true", help="by recorded states instead of actions")

    train = command("train", _train, "Train an encoder by BYOL on the recorded frames.", long=True)
    train.add_argument("--name", type=folder_name, default="default", help="name of the encoder")
    train.add_argument("--preset", choices=tuple(PRESETS), default="quick")
    train.add_argument("--resume", action="store_true", help="go on from the checkpoint of a stopped run")
    train.add_argument("--index", action="store_true", help="then build the index of the same name")
    train.add_argument("--backbone", choices=BACKBONES)
    train.add_argument("--weights", choices=START_WEIGHTS, help="what training starts from")
    train.add_argument("--camera", action="append", help="camera to train on; repeat for several")
    train.add_argument("--epochs", type=int, help="passes over the frames; 0 keeps the start weights")
    train.add_argument("--fewest-steps", type=int, help="more passes where they would be fewer steps than this")
    train.add_argument("--batch-size", type=int)
    train.add_argument("--learning-rate", type=float)
    train.add_argument("--max-minutes", type=float)
    train.add_argument("--keep", choices=KEEP, help="weights of the epoch with the smallest action error, or the last")
    train.add_argument(
        "--compare-with-start",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="at the end, go back to the start weights if the policy errs clearly more with the trained ones",
    )
    train.add_argument("--patience", type=int, help="end after so many epochs without a smaller action error; 0: never")
    train.add_argument("--seed", type=at_least(0, int))
    train.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"))

    index = command("index", _index, "Embed every recorded frame and build the search index.", long=True)
    index.add_argument("--encoder", type=folder_name, default="default", help="name of the encoder")
    index.add_argument("--name", type=folder_name, help="name of the index; default: the encoder's")
    index.add_argument("--whiten", type=int, help="dimensions kept by whitening, 0 for none")
    index.add_argument("--proprioception-weight", type=at_least(0, float))
    index.add_argument("--metric-steps", type=at_least(0, int), help="of learning the metric, 0 for Euclidean distance")

    evaluate = command("evaluate", _evaluate, "Measure the success rate over held-out seeds.", long=True)
    add_evaluate_options(evaluate)

    command("info", _info, "Tell what a workspace holds.")
    command("doctor", _doctor, "Check OpenGL, display, torch, weights and disk.", workspace=False)
    return parser


if __name__ == "__main__":
    sys.exit(main())

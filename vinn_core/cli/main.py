"""The command line: vinn COMMAND. The window runs its long jobs through it too (--events)."""

from __future__ import annotations

import argparse
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from vinn_core import __version__
from vinn_core.cli import commands
from vinn_core.cli.flags import BAD_INPUT, STOPPED, OneLineParser, add_flags, job_from, missing_flags, read_document
from vinn_core.cli.output import JobOutput
from vinn_core.config import CollectJob, EvaluateJob, IndexJob, JsonConfig, ReplayJob, TrainJob
from vinn_core.errors import VinnError


@dataclass(frozen=True)
class Command:
    """One command.

    Attributes:
        job: what it is told, as flags and as a JSON document.
        run: see `vinn_core.cli.commands`.
        long: reports progress and can be stopped.
        needs_workspace: cannot do without.
    """

    name: str
    text: str
    run: Callable[..., int]
    job: type[JsonConfig] = JsonConfig
    long: bool = False
    needs_workspace: bool = True


COMMANDS = (
    Command("collect", "Record demonstrations of the scripted expert.", commands.collect, CollectJob, long=True),
    Command("replay", "Replay a recorded episode open loop.", commands.replay, ReplayJob),
    Command("train", "Train an encoder by BYOL on the recorded frames.", commands.train, TrainJob, long=True),
    Command("index", "Embed every recorded frame and build the search index.", commands.index, IndexJob, long=True),
    Command("evaluate", "Measure the success rate over held-out seeds.", commands.evaluate, EvaluateJob, long=True),
    Command("info", "Tell what a workspace holds.", commands.info),
    Command("doctor", "Check OpenGL, display, torch, weights and disk.", commands.doctor, needs_workspace=False),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns 0 on success, 2 for bad input (one clear line on stderr), 3 when stopped early."""
    options = vars(make_parser().parse_args(arguments))
    command: Command = options.pop("command")
    parser: OneLineParser = options.pop("parser")
    folder: Path | None = options.pop("workspace")
    output = JobOutput(as_json=options.pop("json"), as_events=options.pop("events"))
    try:
        place = options.pop("config")
        document = read_document(place) if place else {}
        output.listen()  # the document came first on standard input
        if missing := missing_flags(command.job, options, document):
            parser.error(f"the following arguments are required: {', '.join(missing)}")
        job = job_from(command.job, options, document)
        with _stopped_by_signals(output) if command.long else nullcontext():
            return command.run(folder, job, output)
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


def make_parser() -> argparse.ArgumentParser:
    """What is parsed: "command", its "parser", "workspace", "json", "events", "config", and each setting that is given.

    Settings have dotted names, see `vinn_core.cli.flags`.
    """
    parser = OneLineParser(prog="vinn", description="Teach a robot arm by showing: record, train, index, run.")
    parser.add_argument("--version", action="version", version=f"vinn {__version__}")
    commands_there_are = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        added = commands_there_are.add_parser(command.name, help=command.text, description=command.text)
        added.set_defaults(command=command, parser=added, events=False, config=None)
        added.add_argument("--workspace", type=Path, required=command.needs_workspace, help="workspace folder")
        added.add_argument("--json", action="store_true", help="print the result as one JSON object on stdout")
        if command.long:
            added.add_argument(
                "--events",
                action="store_true",
                help="write progress as JSON lines on stdout; 'stop' or end of file on stdin ends the job",
            )
        if command.job is not JsonConfig:
            added.add_argument(
                "--config",
                metavar="FILE",
                help="read the settings from this JSON file, '-' for stdin; flags overrule it",
            )
            add_flags(added, command.job)
    return parser

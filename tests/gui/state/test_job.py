from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from app.state.job import Job
from vinn_core.config import TrainJob
from vinn_core.progress import JobEvent, JobFailed, JobFinished, JobStopped, Message, StageProgress, encode_event

HEAD = """
import json, os, sys, time
def tell(event, **fields): print(json.dumps({"event": event, **fields}), flush=True)
from vinn_core.cli.flags import read_document
document = read_document("-")
"""
WORKSPACE = Path("W")
CONFIG = TrainJob("both", index=True)


class Child:
    """A job whose process runs a script; `events` is what it told."""

    def __init__(self, qtbot: QtBot, script: str, patience_ms: int = 10_000) -> None:
        self._qtbot = qtbot
        self.events: list[JobEvent] = []
        program = (sys.executable, "-c", HEAD + script)
        self.job = Job("train", WORKSPACE, CONFIG, program=program, patience_ms=patience_ms)
        self.job.event_received.connect(self.events.append)
        self.job.start()

    def wait_for(self, kind: type) -> None:
        self._qtbot.waitUntil(lambda: any(isinstance(event, kind) for event in self.events), timeout=15_000)

    def wait_for_end(self) -> JobEvent:
        self._qtbot.waitUntil(
            lambda: bool(self.events) and isinstance(self.events[-1], JobFinished | JobStopped | JobFailed),
            timeout=15_000,
        )
        return self.events[-1]


@pytest.fixture
def child(qtbot: QtBot) -> Iterator[object]:
    children: list[Child] = []

    def start(script: str, patience_ms: int = 10_000) -> Child:
        children.append(Child(qtbot, script, patience_ms))
        return children[-1]

    yield start
    for made in children:
        made.job.close()


def test_events_arrive_in_order_and_stray_prints_are_ignored(child) -> None:
    started = child(
        'print("a library says hello"); tell("StageProgress", stage="Reading", done=1, total=2, unit="frame")\n'
        'tell("Message", text="half way"); tell("JobFinished", result={"frames": 2})'
    )
    assert started.wait_for_end() == JobFinished({"frames": 2})
    assert started.events[:-1] == [StageProgress("Reading", 1, 2, "frame"), Message("half way")]


def test_the_process_is_gone_when_the_end_is_told(child) -> None:
    started = child('tell("JobFinished", result={}); time.sleep(0.3)')
    running: list[bool] = []
    started.job.event_received.connect(lambda event: running.append(started.job.running))
    started.wait_for_end()
    assert running == [False]


def test_events_are_asked_for_on_the_command_line(child) -> None:
    started = child('tell("Message", text=" ".join(sys.argv[1:]))')
    started.wait_for_end()
    assert started.events[0] == Message("train --workspace W --events --config -")


def test_the_child_is_told_its_settings_before_anything_else(child) -> None:
    started = child('tell("JobFinished", result={"told": document, "next": sys.stdin.readline()})')
    started.job.stop()
    assert started.wait_for_end() == JobFinished({"told": json.loads(CONFIG.to_json()), "next": "stop\n"})


def test_stop_lets_the_job_say_what_it_kept(child) -> None:
    started = child('tell("Message", text="ready"); sys.stdin.readline(); tell("JobStopped", text="Checkpoint kept.")')
    started.wait_for(Message)
    started.job.stop()
    assert started.job.stopping
    assert started.wait_for_end() == JobStopped("Checkpoint kept.")


@pytest.mark.skipif(os.name != "posix", reason="processes are ended in another way")
def test_a_job_that_is_deaf_to_everything_is_killed(child) -> None:
    started = child(
        'import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); tell("Message", text="ready"); time.sleep(60)',
        patience_ms=200,
    )
    started.wait_for(Message)
    started.job.stop()
    assert isinstance(started.wait_for_end(), JobStopped)
    assert not started.job.running


def test_a_crash_becomes_one_sentence_with_its_cause(child) -> None:
    end = child('raise ValueError("no space left on device")').wait_for_end()
    assert end == JobFailed("The job ended unexpectedly: ValueError: no space left on device.")


@pytest.mark.skipif(os.name != "posix", reason="processes are ended in another way")
def test_a_killed_job_says_that_it_can_go_on(child) -> None:
    end = child("os.kill(os.getpid(), 9)").wait_for_end()
    assert isinstance(end, JobFailed)
    assert "start it again to go on" in end.text


def test_a_program_that_is_not_there_is_a_failure_and_not_a_hang(qtbot: QtBot, tmp_path: Path) -> None:
    job = Job("train", WORKSPACE, CONFIG, program=(str(tmp_path / "nothing"),))
    with qtbot.waitSignal(job.event_received) as told:
        job.start()
    assert isinstance(told.args[0], JobFailed)


def test_closing_ends_the_input_so_that_the_child_can_save(child) -> None:
    started = child('tell("Message", text="ready"); sys.stdin.read(); tell("JobStopped", text="Saved.")')
    started.wait_for(Message)
    started.job.close()
    assert started.events[-1] == JobStopped("Saved.")


def test_the_child_finds_the_core_in_any_working_folder(child, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    line = encode_event(JobFinished({"found": True}))
    assert child(f"import vinn_core.progress; print({line!r})").wait_for_end() == JobFinished({"found": True})

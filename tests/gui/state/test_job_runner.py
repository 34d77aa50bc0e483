"""The life of a job as a panel sees it."""

from __future__ import annotations

from pathlib import Path

import pytest
from pretend_job import PretendJob

from app.state.job_runner import JobRunner
from vinn_core.config import CollectJob
from vinn_core.progress import (
    JobEvent,
    JobFailed,
    JobFinished,
    JobStopped,
    Message,
    StageProgress,
    TrainingMetrics,
)


class Panel:
    """Notes what it is told."""

    def __init__(self) -> None:
        PretendJob.made = []
        self.runner = JobRunner(Path("W"), PretendJob)  # type: ignore[arg-type]
        self.told: list[object] = []
        self.runner.changed.connect(lambda: self.told.append((self.runner.busy, self.runner.stopping)))
        self.runner.progress.connect(self.told.append)
        self.runner.news.connect(self.told.append)
        self.runner.notify.connect(lambda level, text: self.told.append((level, text)))
        self.runner.finished.connect(self.told.append)
        self.runner.ended.connect(lambda: self.told.append("ended"))


@pytest.fixture
def panel(qapp: object) -> Panel:
    return Panel()


def test_a_job_is_started_with_what_is_asked_for(panel: Panel) -> None:
    panel.runner.run("collect", CollectJob(seed=4))
    [job] = PretendJob.made
    assert job.started
    assert (job.command, job.workspace_folder, job.config) == ("collect", Path("W"), CollectJob(seed=4))
    assert panel.told == [(True, False)]


def test_each_kind_of_news_has_its_signal(panel: Panel) -> None:
    panel.runner.run("collect", CollectJob())
    panel.told.clear()
    progress, metrics = StageProgress("Reading", 1, 2, "frame"), TrainingMetrics(1, 0.5, 2.0, 0.9, 1e-4, 33.4)
    PretendJob.made[0].tell(progress, metrics, Message("Half way.", "warning"))
    assert panel.told == [progress, metrics, ("warning", "Half way.")]


@pytest.mark.parametrize(
    ("event", "told"),
    [
        (JobFinished({"episodes": 3}), {"episodes": 3}),
        (JobStopped("Stopped."), ("info", "Stopped.")),
        (JobFailed("The disk is full."), ("error", "The disk is full.")),
    ],
)
def test_every_end_is_told_and_another_job_can_follow(panel: Panel, event: JobEvent, told: object) -> None:
    panel.runner.run("collect", CollectJob())
    panel.told.clear()
    PretendJob.made[0].tell(event)
    assert panel.told == [told, "ended", (False, False)]
    panel.runner.run("collect", CollectJob())
    assert panel.runner.busy


def test_a_job_that_is_asked_to_stop_is_busy_until_it_ends(panel: Panel) -> None:
    panel.runner.stop()
    assert panel.told == []
    panel.runner.run("collect", CollectJob())
    panel.runner.stop()
    assert PretendJob.made[0].stopping
    assert panel.told[-1] == (True, True)
    PretendJob.made[0].tell(JobStopped("Stopped."))
    assert panel.told[-1] == (False, False)

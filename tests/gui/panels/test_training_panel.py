from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import recorded
from pretend_job import PretendJob
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLineEdit
from pytestqt.qtbot import QtBot

from app.panels.training.panel import TrainingPanel
from app.state.workspace import WorkspaceModel
from vinn_core.config import PRESETS, IndexJob, TrainJob, preset
from vinn_core.encoder.history import ProbeCurve
from vinn_core.encoder.store import CHECKPOINT_FILE, StoredEncoder, replace_stored_encoder
from vinn_core.episodes.episode import Episode
from vinn_core.progress import (
    JobFailed,
    JobFinished,
    JobStopped,
    Message,
    ProbeMeasured,
    StageProgress,
    TrainingMetrics,
)


class Bench:
    """A panel without a window; `sentences` is what it told the person."""

    def __init__(self, qtbot: QtBot, model: WorkspaceModel, panel: TrainingPanel) -> None:
        self.qtbot, self.model, self.panel = qtbot, model, panel
        self.sentences: list[tuple[str, str]] = []
        panel.notify.connect(lambda level, text: self.sentences.append((level, text)))

    @property
    def job(self) -> PretendJob:
        return PretendJob.made[-1]

    def press(self) -> None:
        self.qtbot.mouseClick(self.panel.train, Qt.MouseButton.LeftButton)

    def set(self, **settings: Any) -> None:
        """Fill in fields of the advanced section."""
        for name, value in settings.items():
            self.panel.advanced.fields[name].set_value(value)

    def write_index(self, numbers: Sequence[int]) -> None:
        """An index of these episodes as they are now."""
        fingerprints = {summary.number: summary.fingerprint for summary in self.model.episodes}
        episodes = {number: fingerprints[number] for number in numbers}
        recorded.write_index(self.model.workspace, episodes=episodes, recall=0.995)
        self.refresh()

    def write_encoder(self) -> None:
        folder = self.model.workspace.encoders_folder / "default"
        origin = "EfficientNet-Lite0 from ImageNet weights, fine-tuned by BYOL on 36 frames"
        encoder = StoredEncoder("default", origin, PRESETS["quick"], 36, "e", "")
        replace_stored_encoder(folder, encoder, lambda path: path.write_bytes(b""))
        self.refresh()

    def write_checkpoint(self) -> None:
        folder = self.model.workspace.encoders_folder / "default"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / CHECKPOINT_FILE).write_bytes(b"")

    def refresh(self) -> None:
        with self.qtbot.waitSignal(self.model.refreshed):
            self.model.refresh()


@pytest.fixture
def bench(qtbot: QtBot, tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    made: list[Bench] = []
    PretendJob.made = []

    def make(episodes: Sequence[Episode] = ()) -> Bench:
        model = WorkspaceModel(recorded.make_workspace(tmp_path / "w", episodes))
        panel = TrainingPanel(model, PretendJob)  # type: ignore[arg-type]
        qtbot.addWidget(panel)
        panel.resize(340, 900)
        panel.show()
        made.append(Bench(qtbot, model, panel))
        made[-1].refresh()
        return made[-1]

    yield make
    for each in made:
        each.model.close()
        each.model.workspace.close()


@pytest.fixture
def ready(bench: Callable[..., Bench]) -> Bench:
    return bench([recorded.episode(number) for number in (1, 2, 3)])


def test_without_episodes_training_is_disabled_and_says_why(bench: Callable[..., Bench]) -> None:
    panel = bench().panel
    assert not panel.train.isEnabled()
    assert panel.reason.isVisible()
    assert "no episodes yet" in panel.reason.text()


def test_with_failures_only_training_is_disabled_and_says_why(bench: Callable[..., Bench]) -> None:
    panel = bench([recorded.episode(1, success=False)]).panel
    assert not panel.train.isEnabled()
    assert "marked as failed" in panel.reason.text()


def test_one_click_trains_and_indexes(ready: Bench) -> None:
    ready.press()
    assert ready.job.started
    assert (ready.job.command, ready.job.workspace_folder) == ("train", ready.model.workspace.path)
    assert ready.job.config == TrainJob("default", index=True, train=PRESETS["quick"])


def test_only_changed_settings_differ_from_the_preset(ready: Bench) -> None:
    panel = ready.panel
    panel.preset.setCurrentIndex(panel.preset.findData("standard"))
    ready.set(epochs=7, cameras=("wrist", "front"), name=" both ")
    learning_rate = panel.advanced.fields["learning_rate"].widget
    assert isinstance(learning_rate, QLineEdit)
    learning_rate.setText("7e-4")
    ready.press()
    expected = preset("standard", epochs=7, learning_rate=7e-4, cameras=("wrist", "front"))
    assert ready.job.config == TrainJob("both", index=True, train=expected)
    assert expected.batch_size == PRESETS["standard"].batch_size


def test_every_setting_is_understood_by_the_command_line(ready: Bench) -> None:
    changes: dict[str, Any] = {
        "backbone": "resnet18",
        "start_weights": "random",
        "epochs": 3,
        "fewest_steps": 40,
        "max_minutes": 1.5,
        "batch_size": 8,
        "learning_rate": 0.005,
        "keep": "best",
        "compare_with_start": False,
        "patience": 2,
        "seed": 5,
    }
    advanced = ready.panel.advanced
    assert set(changes) | {"name", "cameras"} == set(advanced.fields)
    ready.set(**changes)
    ready.press()
    assert ready.job.understood() == TrainJob("default", index=True, train=preset("quick", **changes))
    advanced.show_preset("paper")
    ready.set(compare_with_start=True)
    assert advanced.job().train == preset("paper", compare_with_start=True)


@pytest.mark.parametrize("name", list(PRESETS))
def test_a_preset_is_passed_on_as_it_is(ready: Bench, name: str) -> None:
    ready.panel.advanced.show_preset(name)
    assert ready.panel.advanced.job() == TrainJob("default", index=True, train=PRESETS[name])


@pytest.mark.parametrize("name", ["", "a/b", ".hidden"])
def test_a_name_that_is_no_folder_disables_training_and_says_why(ready: Bench, name: str) -> None:
    ready.set(name=name)
    assert not ready.panel.train.isEnabled()
    assert "is no name" in ready.panel.reason.text()


@pytest.mark.parametrize("learning_rate", ["", "fast", "2", "nan"])
def test_a_setting_that_cannot_work_disables_training_and_names_the_cure(ready: Bench, learning_rate: str) -> None:
    field = ready.panel.advanced.fields["learning_rate"].widget
    assert isinstance(field, QLineEdit)
    field.setText(learning_rate)
    assert not ready.panel.train.isEnabled()
    assert "1e-4" in ready.panel.reason.text()
    field.setText("1e-4")
    assert ready.panel.train.isEnabled()


def test_no_camera_disables_training_and_names_the_cure(ready: Bench) -> None:
    ready.set(cameras=())
    assert not ready.panel.train.isEnabled()
    assert "wrist" in ready.panel.reason.text()


def test_the_encoder_in_use_is_plainly_shown(ready: Bench) -> None:
    assert ready.panel.in_use.encoder.text() == "No encoder yet."
    ready.write_encoder()
    assert "EfficientNet-Lite0 from ImageNet weights" in ready.panel.in_use.encoder.text()


def test_the_start_weights_are_plainly_shown(ready: Bench) -> None:
    panel = ready.panel
    assert "ImageNet weights" in panel.explanation.text()
    panel.preset.setCurrentIndex(panel.preset.findData("tiny"))
    assert "random weights" in panel.explanation.text()


def test_progress_moves_the_bars(ready: Bench) -> None:
    ready.press()
    ready.job.tell(StageProgress("Training encoder", 500, 2000, "image", 45.0))
    assert ready.panel.bars.bar("Training encoder").value() == 250
    assert "25 % · about 45 s left" in ready.panel.bars.text("Training encoder")
    ready.job.tell(StageProgress("Building index", 36, 36, "frame", 0.0))
    assert ready.panel.bars.bar("Training encoder").value() == 1000
    assert "done" in ready.panel.bars.text("Building index")


def test_metrics_draw_the_curves_against_a_healthy_line(ready: Bench) -> None:
    ready.press()
    for step in range(5):
        ready.job.tell(TrainingMetrics(step, step / 2, 2.0 - step / 10, 0.9, 1e-4, 33.4))
    plots = ready.panel.plots
    assert plots is not None
    ready.qtbot.waitUntil(lambda: plots.loss_curve.getData()[0] is not None and len(plots.loss_curve.getData()[0]) == 5)
    epochs, losses = plots.loss_curve.getData()
    assert list(epochs) == [0.0, 0.5, 1.0, 1.5, 2.0]
    assert losses[-1] == pytest.approx(1.6)
    assert list(plots.collapse_curve.getData()[1]) == [0.9] * 5
    assert plots.collapse.getAxis("bottom").labelText == "epoch"
    assert "33 images/s" in ready.panel.speed.text()


def resumes(job: PretendJob) -> bool:
    assert isinstance(job.config, TrainJob)
    return job.config.resume


def probe(epoch: float, relative: float) -> ProbeMeasured:
    return ProbeMeasured(epoch, relative, 0.04, 0.1, 0.02)


def test_the_action_error_is_drawn_by_epoch_against_that_of_the_start_weights(ready: Bench) -> None:
    ready.press()
    ready.job.tell(probe(0.0, 0.62))
    plots = ready.panel.plots
    assert plots is not None
    ready.qtbot.waitUntil(plots.probe.isVisible)
    assert plots.probe_start.value() == 0.62
    ready.job.tell(probe(1.0, 0.55), probe(2.0, 0.48))
    assert [list(values) for values in plots.probe_curve.getData()] == [[0.0, 1.0, 2.0], [0.62, 0.55, 0.48]]
    assert plots.probe_start.value() == 0.62
    low, high = plots.probe.viewRange()[1]
    assert low < 0.48 < 0.62 < high
    assert plots.probe.getAxis("left").labelText == "action error (std. dev.)"
    assert plots.probe.getAxis("bottom").labelText == "epoch"
    assert "0 is perfect" in plots.probe.toolTip()


def test_resumed_training_goes_on_with_the_action_error_and_a_new_one_begins_anew(ready: Bench) -> None:
    ready.press()
    ready.write_checkpoint()
    ready.job.tell(probe(0.0, 0.62), probe(1.0, 0.55), JobStopped("Stopped."))
    ready.press()
    assert resumes(ready.job)
    ready.job.tell(probe(0.0, 0.62), probe(1.0, 0.55), probe(2.0, 0.5))
    plots = ready.panel.plots
    assert plots is not None
    assert list(plots.probe_curve.getData()[0]) == [0.0, 1.0, 2.0]
    ready.job.tell(JobStopped("Stopped."))
    ready.qtbot.mouseClick(ready.panel.start_over, Qt.MouseButton.LeftButton)
    assert not plots.probe.isVisible()
    ready.job.tell(probe(0.0, 0.7))
    assert list(plots.probe_curve.getData()[1]) == [0.7]
    assert plots.probe_start.value() == 0.7


def test_without_a_probe_no_empty_plot_is_shown(ready: Bench) -> None:
    ready.press()
    ready.job.tell(TrainingMetrics(1, 0.5, 2.0, 0.9, 1e-4, 33.4))
    assert ready.panel.plots is not None
    ready.qtbot.waitUntil(ready.panel.plots.loss.isVisible)
    assert not ready.panel.plots.probe.isVisible()


def test_the_end_tells_what_training_did_to_the_action_error(ready: Bench) -> None:
    ready.press()
    ready.write_index([1, 2])
    curve = ProbeCurve((probe(0.0, 0.62), probe(1.0, 0.48)), chosen_epoch=1.0)
    ready.job.tell(JobFinished({"probe": curve.to_dict()}))
    ready.qtbot.waitUntil(lambda: bool(ready.sentences))
    [(level, sentence)] = ready.sentences
    assert level == "info"
    assert "; action error 0.62 -> 0.48 (start weights -> trained); index of 24 frames built;" in sentence


def test_cancel_stops_and_then_resume_or_start_over_is_offered(ready: Bench) -> None:
    ready.press()
    first = ready.job
    assert ready.panel.train.text() == "Cancel"
    ready.press()
    assert first.stopping
    assert ready.panel.train.text() == "Stopping…"
    assert not ready.panel.train.isEnabled()
    ready.write_checkpoint()
    first.tell(JobStopped("Stopped at epoch 3; the checkpoint is kept."))
    assert ready.sentences[-1] == ("info", "Stopped at epoch 3; the checkpoint is kept.")
    assert ready.panel.train.text() == "Resume training"
    assert ready.panel.start_over.isVisible()
    ready.press()
    assert resumes(ready.job)
    ready.job.tell(JobStopped("Stopped."))
    ready.qtbot.mouseClick(ready.panel.start_over, Qt.MouseButton.LeftButton)
    assert not resumes(ready.job)


def test_a_failure_is_told_and_training_can_be_started_again(ready: Bench) -> None:
    ready.press()
    ready.job.tell(
        Message("No ImageNet weights can be had.", "warning"), JobFailed("The disk is full: free some space.")
    )
    assert ready.sentences == [
        ("warning", "No ImageNet weights can be had."),
        ("error", "The disk is full: free some space."),
    ]
    assert ready.panel.train.isEnabled()
    assert ready.panel.train.text() == "Train && index"


def test_the_end_is_summed_up_in_a_sentence_and_the_lists_are_read_anew(ready: Bench) -> None:
    ready.press()
    ready.write_index([1, 2])
    ready.job.tell(JobFinished({}))
    ready.qtbot.waitUntil(lambda: bool(ready.sentences))
    sentence = "Encoder trained in 0 s; index of 24 frames built; recall@5 0.995. Press P to let it run."
    assert ready.sentences == [("info", sentence)]
    assert "1 episode was recorded" in ready.panel.in_use.news.text()
    assert not ready.panel.busy


def test_new_episodes_since_the_index_are_pointed_out_and_indexed_without_training(ready: Bench) -> None:
    ready.write_index([1])
    assert ready.panel.in_use.rebuild.isVisible()
    assert "2 episodes" in ready.panel.in_use.news.text()
    ready.write_encoder()
    ready.qtbot.mouseClick(ready.panel.in_use.rebuild, Qt.MouseButton.LeftButton)
    assert (ready.job.command, ready.job.config) == ("index", IndexJob("default", "default"))


def test_an_up_to_date_index_needs_no_attention(ready: Bench) -> None:
    ready.write_index([1, 2, 3])
    assert not ready.panel.in_use.rebuild.isVisible()
    assert "36 frames of 3 episodes" in ready.panel.in_use.index.text()


def test_a_deleted_episode_of_the_index_is_pointed_out(ready: Bench) -> None:
    ready.write_index([1, 2, 3])
    ready.model.delete([2])
    ready.qtbot.waitUntil(ready.panel.in_use.rebuild.isVisible)
    assert "1 episode of the index" in ready.panel.in_use.news.text()


def test_an_indexed_episode_marked_as_failed_since_is_pointed_out(ready: Bench) -> None:
    ready.write_index([1, 2, 3])
    ready.model.set_success([2], False)
    ready.qtbot.waitUntil(ready.panel.in_use.rebuild.isVisible)
    assert "1 episode of the index deleted or marked as failed" in ready.panel.in_use.news.text()


def test_a_rebuild_asked_for_elsewhere_without_an_encoder_says_what_to_do(ready: Bench) -> None:
    ready.model.request_index()
    assert PretendJob.made == []
    assert "Train & index" in ready.sentences[-1][1]


def test_the_measured_speed_makes_the_next_estimate(ready: Bench) -> None:
    ready.set(epochs=60, fewest_steps=0, compare_with_start=False)
    before = ready.panel.explanation.text()
    ready.press()
    ready.job.tell(TrainingMetrics(1, 1.0, 1.0, 1.0, 1e-4, 1.0), JobFinished({}))
    assert ready.panel.explanation.text() != before
    assert "36 min" in ready.panel.explanation.text()
    ready.set(fewest_steps=120)  # of 36 frames each
    assert "1 h 12 min" in ready.panel.explanation.text()

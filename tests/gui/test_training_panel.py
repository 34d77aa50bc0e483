from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import recorded
from pretend_job import PretendJob
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from app.panels.training import TrainingPanel
from app.workspace import WorkspaceModel
from vinn_core.config import PRESETS
from vinn_core.encoder_store import CHECKPOINT_FILE, WEIGHTS_FILE, StoredEncoder, write_stored_encoder
from vinn_core.episode import Episode
from vinn_core.probe_curve import ProbeCurve
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

    def write_index(self, numbers: Sequence[int]) -> None:
        """An index of these episodes as they are now."""
        folder = self.model.workspace.indexes_folder / "default"
        folder.mkdir(parents=True, exist_ok=True)
        fingerprints = {summary.number: summary.fingerprint for summary in self.model.episodes}
        facts = {
            "encoder": "default",
            "encoder_fingerprint": "e",
            "rows": 12 * len(numbers),
            "episodes": {number: fingerprints[number] for number in numbers},
            "recall": 0.995,
            "created": "2026-03-01T10:00:00+00:00",
        }
        (folder / "index.json").write_text(json.dumps(facts))
        self.refresh()

    def write_encoder(self) -> None:
        folder = self.model.workspace.encoders_folder / "default"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / WEIGHTS_FILE).write_bytes(b"")
        origin = "EfficientNet-Lite0 from ImageNet weights, fine-tuned by BYOL on 36 frames"
        write_stored_encoder(folder, StoredEncoder("default", origin, PRESETS["quick"], 36, "e", ""))
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
    assert ready.job.arguments == (
        *("train", "--workspace", str(ready.model.workspace.path)),
        *("--name", "default", "--preset", "quick", "--index"),
    )


def test_only_changed_settings_are_passed_on(ready: Bench) -> None:
    panel = ready.panel
    panel.preset.setCurrentIndex(panel.preset.findData("standard"))
    panel.advanced.epochs.setValue(7)
    panel.advanced.learning_rate.setText("7e-4")
    panel.advanced.cameras["front"].setChecked(True)
    panel.advanced.name.setText("both")
    ready.press()
    assert (ready.job.option("--preset"), ready.job.option("--name")) == ("standard", "both")
    assert (ready.job.option("--epochs"), ready.job.option("--learning-rate")) == ("7", "0.0007")
    assert ready.job.options().camera == ["wrist", "front"]
    assert "--batch-size" not in ready.job.arguments


def test_every_setting_is_understood_by_the_command_line(ready: Bench) -> None:
    advanced = ready.panel.advanced
    advanced.backbone.setCurrentText("resnet18")
    advanced.start_weights.setCurrentText("random")
    advanced.epochs.setValue(3)
    advanced.fewest_steps.setValue(40)
    advanced.max_minutes.setValue(1.5)
    advanced.batch_size.setValue(8)
    advanced.learning_rate.setText("0.005")
    advanced.keep.setCurrentText("best")
    advanced.compare_with_start.setChecked(False)
    advanced.patience.setValue(2)
    advanced.seed.setValue(5)
    ready.press()
    options = ready.job.options()
    assert (options.backbone, options.weights, options.epochs, options.max_minutes) == ("resnet18", "random", 3, 1.5)
    assert (options.fewest_steps, options.batch_size) == (40, 8)
    assert (options.learning_rate, options.seed) == (0.005, 5)
    assert (options.keep, options.compare_with_start, options.patience) == ("best", False, 2)
    assert options.index
    advanced.show_preset("paper")
    advanced.compare_with_start.setChecked(True)
    assert "--compare-with-start" in advanced.arguments()


@pytest.mark.parametrize("learning_rate", ["", "fast", "2", "nan"])
def test_a_setting_that_cannot_work_disables_training_and_names_the_cure(ready: Bench, learning_rate: str) -> None:
    ready.panel.advanced.learning_rate.setText(learning_rate)
    assert not ready.panel.train.isEnabled()
    assert "1e-4" in ready.panel.reason.text()
    ready.panel.advanced.learning_rate.setText("1e-4")
    assert ready.panel.train.isEnabled()


def test_no_camera_disables_training_and_names_the_cure(ready: Bench) -> None:
    ready.panel.advanced.cameras["wrist"].setChecked(False)
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
    assert "--resume" in ready.job.arguments
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
    assert "--resume" in ready.job.arguments
    ready.job.tell(JobStopped("Stopped."))
    ready.qtbot.mouseClick(ready.panel.start_over, Qt.MouseButton.LeftButton)
    assert "--resume" not in ready.job.arguments


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
    assert ready.job.arguments[0] == "index"
    assert ready.job.option("--encoder") == "default"


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
    ready.panel.advanced.epochs.setValue(60)
    ready.panel.advanced.fewest_steps.setValue(0)
    ready.panel.advanced.compare_with_start.setChecked(False)
    before = ready.panel.explanation.text()
    ready.press()
    ready.job.tell(TrainingMetrics(1, 1.0, 1.0, 1.0, 1e-4, 1.0), JobFinished({}))
    assert ready.panel.explanation.text() != before
    assert "36 min" in ready.panel.explanation.text()
    ready.panel.advanced.fewest_steps.setValue(120)  # of 36 frames each
    assert "1 h 12 min" in ready.panel.explanation.text()

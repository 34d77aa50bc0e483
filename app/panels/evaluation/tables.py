"""Stored evaluations and the rollouts of one, as tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTreeWidget, QTreeWidgetItem, QWidget

from app.panels.evaluation.wording import in_percent
from app.widgets.images import AMBER, GREEN, RED
from app.wording import count, moment
from vinn_core.session.messages import RunEnd

if TYPE_CHECKING:
    from vinn_core.rollouts.store import StoredEvaluation

_KEY = Qt.ItemDataRole.UserRole
_SIGNS: dict[RunEnd, tuple[str, QColor]] = {RunEnd.SUCCESS: ("✓", GREEN), RunEnd.TIME_OUT: ("✗", RED)}


class _Table(QTreeWidget):
    def __init__(self, name: str, columns: Sequence[str], *, rows: int, parent: QWidget | None) -> None:
        super().__init__(parent)
        self.setAccessibleName(name)
        self.setHeaderLabels(list(columns))
        self.setRootIsDecorated(False)
        self.setUniformRowHeights(True)
        self.setAllColumnsShowFocus(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFixedHeight(self.header().sizeHint().height() + rows * (self.fontMetrics().lineSpacing() + 6))
        header = self.header()
        header.setStretchLastSection(False)
        header.setMinimumSectionSize(20)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)


class EvaluationTable(_Table):
    """Newest first; several can be selected."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Evaluations", ("Policy", "Look", "n", "Success", "Date"), rows=4, parent=parent)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.headerItem().setToolTip(2, "Number of rollouts")
        self.headerItem().setToolTip(3, "Success rate, and its 95 % interval (Wilson) [%]")

    def show_evaluations(self, evaluations: Sequence[StoredEvaluation]) -> None:
        """Replace the rows; those that stay keep being selected."""
        selected = {evaluation.name for evaluation in self.selected}
        self.blockSignals(True)
        self.clear()
        for evaluation in evaluations:
            self.addTopLevelItem(item := _evaluation_row(evaluation))
            item.setSelected(evaluation.name in selected)
        self.blockSignals(False)
        self.itemSelectionChanged.emit()

    @property
    def selected(self) -> tuple[StoredEvaluation, ...]:
        """In the order shown."""
        items = (self.topLevelItem(row) for row in range(self.topLevelItemCount()))
        return tuple(item.data(0, _KEY) for item in items if item is not None and item.isSelected())

    def select(self, name: str) -> None:
        """Select this evaluation alone, when it is there."""
        for row in range(self.topLevelItemCount()):
            item = self.topLevelItem(row)
            if item is not None and item.data(0, _KEY).name == name:
                self.setCurrentItem(item)


class RolloutTable(_Table):
    """Of one evaluation, by seed."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Rollouts", ("Outcome", "Seed", "Time [s]"), rows=5, parent=parent)
        self.setSortingEnabled(True)
        self.sortByColumn(1, Qt.SortOrder.AscendingOrder)
        self.setToolTip("Double click to watch a rollout again, with what the policy saw in it")

    def show_rollouts(self, evaluation: StoredEvaluation | None) -> None:
        """Replace the rows; nothing is shown without an evaluation."""
        self.clear()
        if evaluation is None:
            return
        result = evaluation.result
        rows = zip(result.seeds, result.outcomes, result.ticks, strict=True)
        for seed, end, ticks in rows:
            sign, colour = _SIGNS.get(end, ("■", AMBER))
            item = QTreeWidgetItem([f"{sign}  {end}"])
            item.setForeground(0, colour)
            item.setData(1, Qt.ItemDataRole.DisplayRole, seed)
            item.setData(2, Qt.ItemDataRole.DisplayRole, round(ticks / result.control_hz, 1))
            self.addTopLevelItem(item)

    @property
    def seed(self) -> int | None:
        """Of the selected rollout."""
        items = self.selectedItems()
        return items[0].data(1, Qt.ItemDataRole.DisplayRole) if items else None


def _evaluation_row(evaluation: StoredEvaluation) -> QTreeWidgetItem:
    result = evaluation.result
    rate = in_percent(result.success_rate, result.interval)
    rollouts = len(result.seeds)
    cells = [result.label, result.look, str(rollouts), rate, moment(result.created)]
    item = QTreeWidgetItem(cells)
    item.setData(0, _KEY, evaluation)
    seconds = result.seconds_to_success
    time = "" if seconds is None else f", after {seconds:.1f} s on average"
    tip = (
        f"{evaluation.name}: {count(rollouts, 'rollout')} from seed {min(result.seeds)}, "
        f"look {result.look}\nSuccess {rate}{time}"
    )
    for column in range(len(cells)):
        item.setToolTip(column, tip)
    return item

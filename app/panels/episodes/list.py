"""The recorded episodes as a model, and how one is drawn in the list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, QRect, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFont, QFontMetrics, QPainter, QPalette, QPen, QPixmap
from PySide6.QtWidgets import QAbstractItemView, QListView, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from app.widgets.images import AMBER, GREEN, RED, faint, mixed, to_pixmap
from app.wording import count, moment

if TYPE_CHECKING:
    from vinn_core.episodes.file import EpisodeSummary

Index = QModelIndex | QPersistentModelIndex

ROW = Qt.ItemDataRole.UserRole
SORT = Qt.ItemDataRole.UserRole + 1


class Column(IntEnum):
    NUMBER = 0
    LENGTH = 1
    SUCCESS = 2
    SOURCE = 3
    LOOK = 4
    SEED = 5
    CREATED = 6


@dataclass(frozen=True)
class EpisodeRow:
    """An episode file: its `summary`, or what is wrong with it."""

    path: Path
    summary: EpisodeSummary | None
    problem: str = ""

    @property
    def name(self) -> str:
        return f"Episode {self.summary.number}" if self.summary else self.path.name


def outcome(success: bool | None) -> tuple[str, str, QColor | None]:
    """Sign, word and colour for an episode's outcome."""
    if success is None:
        return "?", "unknown", None
    return ("✓", "success", GREEN) if success else ("✗", "failed", RED)


class EpisodeTableModel(QAbstractTableModel):
    """One row an episode file, by number; `ROW` gives the EpisodeRow, `SORT` what a column is sorted by."""

    thumbnail_wanted = Signal(int, str)

    def __init__(self, cameras: Sequence[str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.cameras = tuple(cameras)
        self._rows: list[EpisodeRow] = []
        self._thumbnails: dict[tuple[int, str], QPixmap | None] = {}

    def show(self, rows: Sequence[EpisodeRow]) -> None:
        """Replace the rows, keeping what has not changed so that views keep their place. `rows` are by path."""
        wanted = {row.path for row in rows}
        for place in reversed(range(len(self._rows))):
            if self._rows[place].path not in wanted:
                self.beginRemoveRows(QModelIndex(), place, place)
                del self._rows[place]
                self.endRemoveRows()
        for place, row in enumerate(rows):
            if place < len(self._rows) and self._rows[place].path == row.path:
                if self._rows[place] != row:
                    self._rows[place] = row
                    self.dataChanged.emit(self.index(place, 0), self.index(place, len(Column) - 1))
            else:
                self.beginInsertRows(QModelIndex(), place, place)
                self._rows.insert(place, row)
                self.endInsertRows()
        present = {row.summary.number for row in rows if row.summary}
        self._thumbnails = {key: image for key, image in self._thumbnails.items() if key[0] in present}

    def set_thumbnail(self, number: int, camera: str, image: NDArray[np.uint8]) -> None:
        self._thumbnails[number, camera] = to_pixmap(image)
        for place, row in enumerate(self._rows):
            if row.summary and row.summary.number == number:
                self.dataChanged.emit(self.index(place, 0), self.index(place, 0))

    def thumbnail(self, number: int, camera: str) -> QPixmap | None:
        """None while it is not here; it is asked for, and `dataChanged` tells when it is."""
        if (number, camera) not in self._thumbnails:
            self._thumbnails[number, camera] = None
            self.thumbnail_wanted.emit(number, camera)
        return self._thumbnails[number, camera]

    def rowCount(self, parent: Index = QModelIndex()) -> int:
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: Index = QModelIndex()) -> int:
        return 0 if parent.isValid() else len(Column)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        row = self._rows[index.row()]
        if role == ROW:
            return row
        if role == SORT:
            return _sort_key(row, Column(index.column()))
        if role == Qt.ItemDataRole.DisplayRole:
            return _text(row, Column(index.column()))
        if role == Qt.ItemDataRole.ToolTipRole:
            return row.problem or _describe(row)
        return None


def _text(row: EpisodeRow, column: Column) -> str:
    summary = row.summary
    if summary is None:
        return row.name if column is Column.NUMBER else ""
    match column:
        case Column.NUMBER:
            return row.name
        case Column.LENGTH:
            return f"{summary.duration_s:.1f} s"
        case Column.SUCCESS:
            return outcome(summary.success)[1]
        case Column.SOURCE:
            return str(summary.source)
        case Column.LOOK:
            return summary.look
        case Column.SEED:
            return str(summary.seed)
        case Column.CREATED:
            return moment(summary.created)


def _sort_key(row: EpisodeRow, column: Column) -> Any:
    summary = row.summary
    if summary is None:
        return "" if column in (Column.SOURCE, Column.LOOK, Column.CREATED) else -2
    return {
        Column.NUMBER: summary.number,
        Column.LENGTH: summary.length,
        Column.SUCCESS: -1 if summary.success is None else int(summary.success),
        Column.SOURCE: str(summary.source),
        Column.LOOK: summary.look,
        Column.SEED: summary.seed,
        Column.CREATED: summary.created,
    }[column]


def _describe(row: EpisodeRow) -> str:
    summary = row.summary
    assert summary is not None
    by = f" by {summary.operator}" if summary.operator else ""
    return (
        f"{row.name}: {summary.task}, {outcome(summary.success)[1]}\n"
        f"{summary.duration_s:.1f} s, {count(summary.length, 'frame')}, cameras {', '.join(summary.cameras)}\n"
        f"{summary.source}{by}, look {summary.look}, seed {summary.seed}\n"
        f"recorded {moment(summary.created)}, {row.path.name}"
    )


class EpisodeDelegate(QStyledItemDelegate):
    """Draws an episode as thumbnails beside three lines of facts; fits any width from about 220 pixels."""

    MARGIN, GAP, PICTURE, NARROW = 6, 8, 54, 330

    def __init__(self, model: EpisodeTableModel, parent: QWidget) -> None:
        super().__init__(parent)
        self._model = model
        self.highlighted: int | None = None
        """The episode being pointed at elsewhere."""

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        lines = 3 * QFontMetrics(option.font).lineSpacing()  # type: ignore[attr-defined]  # missing in the stubs
        return QSize(220, max(self.PICTURE, lines) + 2 * self.MARGIN)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        row: EpisodeRow = index.data(ROW)
        rect: QRect = option.rect  # type: ignore[attr-defined]
        palette: QPalette = option.palette  # type: ignore[attr-defined]
        accent = palette.color(QPalette.ColorRole.Highlight)
        base = palette.color(QPalette.ColorRole.Base)
        painter.save()
        painter.setFont(option.font)  # type: ignore[attr-defined]
        if option.state & QStyle.StateFlag.State_Selected:  # type: ignore[attr-defined]
            painter.fillRect(rect, mixed(accent, base, 0.72))
        elif option.state & QStyle.StateFlag.State_MouseOver:  # type: ignore[attr-defined]
            painter.fillRect(rect, mixed(accent, base, 0.9))
        painter.setPen(QPen(mixed(palette.color(QPalette.ColorRole.Text), base, 0.88)))
        painter.drawLine(rect.bottomLeft(), rect.bottomRight())
        if row.summary and row.summary.number == self.highlighted:
            painter.fillRect(rect.left(), rect.top(), 4, rect.height(), accent)
        inner = rect.adjusted(self.MARGIN + 2, self.MARGIN, -self.MARGIN, -self.MARGIN)
        if row.summary:
            left = self._paint_pictures(painter, inner, row.summary, palette=palette, narrow=rect.width() < self.NARROW)
            self._paint_facts(painter, inner.adjusted(left, 0, 0, 0), row.summary, palette=palette)
        else:
            self._paint_problem(painter, inner, row, palette=palette)
        painter.restore()

    def _paint_pictures(
        self, painter: QPainter, rect: QRect, summary: EpisodeSummary, *, palette: QPalette, narrow: bool
    ) -> int:
        """Returns the width they take."""
        cameras = [camera for camera in self._model.cameras if camera in summary.cameras] or list(summary.cameras)
        left = 0
        for camera in cameras[: 1 if narrow else 2]:
            target = QRect(rect.left() + left, rect.top() + (rect.height() - self.PICTURE) // 2, *2 * (self.PICTURE,))
            picture = self._model.thumbnail(summary.number, camera)
            if picture is None:
                painter.fillRect(target, palette.color(QPalette.ColorRole.AlternateBase))
            else:
                painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
                painter.drawPixmap(target, picture)
            left += self.PICTURE + 4
        return left + self.GAP - 4

    def _paint_facts(self, painter: QPainter, rect: QRect, summary: EpisodeSummary, *, palette: QPalette) -> None:
        metrics = painter.fontMetrics()
        text, grey = palette.color(QPalette.ColorRole.Text), faint(palette)
        step = rect.height() // 3
        first, second, third = (QRect(rect.left(), rect.top() + i * step, rect.width(), step) for i in range(3))

        sign, word, colour = outcome(summary.success)
        label = f"{sign} {word}"
        width = metrics.horizontalAdvance(label) + 12
        pill = QRect(first.right() - width, first.top(), width, step - 1)
        colour = colour or grey
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(mixed(colour, palette.color(QPalette.ColorRole.Base), 0.82))
        painter.drawRoundedRect(pill, step / 2, step / 2)
        painter.setPen(mixed(colour, text, 0.25))
        painter.drawText(pill, Qt.AlignmentFlag.AlignCenter, label)

        _line(painter, first.adjusted(0, 0, -width - 4, 0), f"Episode {summary.number}", colour=text, bold=True)
        length = f"{summary.duration_s:.1f} s · {count(summary.length, 'frame')}"
        created = moment(summary.created)
        space = second.width() - metrics.horizontalAdvance(length) - 12
        _line(painter, second, length, colour=text)
        if metrics.horizontalAdvance(created) <= space:
            painter.setPen(grey)
            painter.drawText(second, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, created)
        _line(painter, third, f"{summary.source} · seed {summary.seed} · look {summary.look}", colour=grey)

    def _paint_problem(self, painter: QPainter, rect: QRect, row: EpisodeRow, *, palette: QPalette) -> None:
        step = rect.height() // 3
        _line(painter, QRect(rect.left(), rect.top(), rect.width(), step), f"⚠ {row.name}", colour=AMBER, bold=True)
        painter.setPen(palette.color(QPalette.ColorRole.Text))
        rest = rect.adjusted(0, step, 0, 0)
        painter.drawText(rest, int(Qt.TextFlag.TextWordWrap) | int(Qt.AlignmentFlag.AlignTop), row.problem)


def _line(painter: QPainter, rect: QRect, text: str, *, colour: QColor, bold: bool = False) -> None:
    normal = painter.font()
    font = QFont(normal)
    font.setBold(bold)
    painter.setFont(font)
    painter.setPen(colour)
    elided = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, rect.width())
    painter.drawText(rect, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, elided)
    painter.setFont(normal)


class EpisodeView(QListView):
    """A list of episodes, several of which can be selected."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.setUniformItemSizes(True)
        self.setMouseTracking(True)
        self.setMinimumHeight(140)
        self.setAccessibleName("Episodes")

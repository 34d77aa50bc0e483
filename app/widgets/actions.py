"""Actions made from what `app.keys` says of them."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QAction, QKeySequence

from app.keys import ActionInfo
from app.widgets.icons import icon


def make_action(info: ActionInfo, act: Callable[[], object], parent: QObject, *, checkable: bool = False) -> QAction:
    """An action that calls `act`; its object name is the `id`.

    Its keys count in the whole window when it is in a menu, else in the widget alone that it is added to.
    """
    action = QAction(info.text, parent)
    action.setObjectName(info.id)
    action.setCheckable(checkable)
    action.setShortcut(QKeySequence(info.keys))
    if info.menu is None:
        action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
    else:
        action.setAutoRepeat(False)
    if info.tip:
        action.setToolTip(f"{info.tip} ({info.keys})" if info.menu and info.keys else info.tip)
    if info.icon:
        action.setIcon(icon(info.icon))
    action.triggered.connect(lambda: act())  # without Qt's `checked`
    return action

"""The look of the window: Fusion, light or dark as the system is."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QApplication

ACCENT = QColor("#1f86c7")
_LIGHT = {
    "Window": "#f3f5f7",
    "WindowText": "#1e252c",
    "Base": "#ffffff",
    "AlternateBase": "#f7f9fa",
    "Text": "#1e252c",
    "Button": "#fbfcfd",
    "ButtonText": "#1e252c",
    "ToolTipBase": "#1e252c",
    "ToolTipText": "#f3f5f7",
    "PlaceholderText": "#7a8792",
    "Mid": "#cfd6dc",
    "Midlight": "#e6eaee",
    "Light": "#ffffff",
    "Dark": "#9aa6b0",
    "Shadow": "#7a8792",
}
_DARK = {
    "Window": "#20262c",
    "WindowText": "#e6ebef",
    "Base": "#181d22",
    "AlternateBase": "#1d2328",
    "Text": "#e6ebef",
    "Button": "#2b333a",
    "ButtonText": "#e6ebef",
    "ToolTipBase": "#e6ebef",
    "ToolTipText": "#20262c",
    "PlaceholderText": "#8b98a3",
    "Mid": "#3b454e",
    "Midlight": "#333c44",
    "Light": "#46515b",
    "Dark": "#12161a",
    "Shadow": "#0b0e10",
}

_SHEET = """
QToolTip {{ border: 0; padding: 5px 7px; }}
QMainWindow::separator {{ width: 5px; height: 5px; background: transparent; }}
QMainWindow::separator:hover {{ background: {accent}; }}
QDockWidget {{ font-weight: 600; }}
QDockWidget::title {{ background: {midlight}; padding: 6px 8px; border-top: 1px solid {mid}; }}
QToolBar {{ border: 0; border-bottom: 1px solid {mid}; padding: 4px 6px; spacing: 4px; background: {window}; }}
QToolBar QToolButton {{ padding: 4px 9px; border-radius: 5px; border: 1px solid transparent; }}
QToolBar QToolButton:hover {{ background: {midlight}; }}
QToolBar QToolButton:pressed {{ background: {mid}; }}
QToolBar QToolButton:checked {{ background: {accent}; color: white; }}
QToolBar QToolButton[role="record"]:checked {{ background: transparent; border-color: {red}; color: {red}; }}
QStatusBar {{ border-top: 1px solid {mid}; }}
QStatusBar::item {{ border: 0; }}
QLabel[role="heading"] {{ font-weight: 600; }}
QLabel[role="faint"] {{ color: {faint}; }}
QLabel[role="keys"] {{
    border: 1px solid {mid}; border-bottom: 2px solid {mid}; border-radius: 4px; padding: 1px 7px;
    background: {base}; font-weight: 600;
}}
QPushButton[role="segment"] {{
    padding: 4px 8px; border: 1px solid {mid}; border-radius: 5px; background: {button}; min-width: 0;
}}
QPushButton[role="segment"]:hover {{ border-color: {accent}; }}
QPushButton[role="segment"]:checked {{ background: {accent}; border-color: {accent}; color: white; }}
QPushButton[role="record"] {{
    padding: 9px 12px; border-radius: 7px; border: 1px solid {mid}; background: {button};
    font-weight: 600; text-align: center;
}}
QPushButton[role="record"]:hover {{ border-color: {red}; }}
QPushButton[role="record"]:checked {{ background: {red}; border-color: {red}; color: white; }}
"""


def apply_style(application: QApplication) -> None:
    """Fusion in our colours, following the system between light and dark."""
    application.setStyle("Fusion")
    hints = application.styleHints()
    hints.colorSchemeChanged.connect(lambda scheme: _apply_colours(application, scheme))
    _apply_colours(application, hints.colorScheme())


def _apply_colours(application: QApplication, scheme: Qt.ColorScheme) -> None:
    colours = _DARK if scheme == Qt.ColorScheme.Dark else _LIGHT
    palette = QPalette()
    for role, colour in colours.items():
        palette.setColor(QPalette.ColorRole[role], QColor(colour))
    for role in (QPalette.ColorRole.Highlight, QPalette.ColorRole.Link, QPalette.ColorRole.Accent):
        palette.setColor(role, ACCENT)
    palette.setColor(QPalette.ColorRole.HighlightedText, QColor("white"))
    for role in (QPalette.ColorRole.WindowText, QPalette.ColorRole.Text, QPalette.ColorRole.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, role, QColor(colours["PlaceholderText"]))
    application.setPalette(palette)
    application.setStyleSheet(
        _SHEET.format(
            accent=ACCENT.name(),
            red="#d93d37",
            faint=colours["PlaceholderText"],
            **{role.lower(): colour for role, colour in colours.items()},
        )
    )

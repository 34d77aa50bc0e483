"""Whether there is a screen to show the window on."""

from __future__ import annotations

import os

from vinn_core.cli.virtual_display import display_problem


def window_problem() -> str | None:
    """Why the window cannot be shown, in a sentence; None when it can. Qt would abort the process."""
    problem = None if os.environ.get("QT_QPA_PLATFORM") else display_problem()
    if problem is None:
        return None
    return (
        f"VINN Workbench cannot show its window: {problem}. "
        "Start it in a desktop session, or work headless: 'vinn --help' (python -m vinn_core) lists the commands."
    )

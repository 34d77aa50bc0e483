"""Starts the window: `python main.py [--workspace W] [--task lift] [--look none|varied|distractors]`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from vinn_core.config import LOOKS


def main() -> int:
    parser = argparse.ArgumentParser(description="VINN Workbench: teach a robot arm and watch VINN decide.")
    parser.add_argument(
        "--workspace", type=Path, help="folder of episodes, encoders and indexes (default: the last one)"
    )
    parser.add_argument("--task", help="what the arm is taught, such as lift")
    parser.add_argument("--look", choices=LOOKS, help="what differs between episodes beside the task")
    arguments = parser.parse_args()

    from app.application import main as show_window  # after parsing: --help and bad usage need no Qt

    return show_window(arguments.workspace, arguments.task, arguments.look)


if __name__ == "__main__":
    sys.exit(main())

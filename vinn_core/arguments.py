"""Checks of command-line arguments, and how a wrong one is told."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable
from typing import NoReturn

BAD_INPUT = 2
"""Exit code for bad usage and bad input."""
STOPPED = 3
"""Exit code of a command that was stopped early."""


class OneLineParser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(BAD_INPUT, f"{self.prog}: {message}; see {self.prog} --help\n")


def at_least(least: float, kind: type[int] | type[float]) -> Callable[[str], float]:
    """For `type=` of an argument: a number of that kind, finite and not below `least`."""

    def convert(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not least <= value < math.inf:
            raise argparse.ArgumentTypeError(f"{text}; use {least} or more")
        return value

    return convert


def folder_name(text: str) -> str:
    """For `type=` of an argument: the name of a folder within the workspace."""
    if not re.fullmatch(r"\w[\w.-]*", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no name; use letters, digits, '-', '_' and '.'")
    return text

"""For all tests: a screen to show windows on."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from vinn_core.cli.virtual_display import virtual_display
from vinn_core.errors import RenderingError


def pytest_configure(config: pytest.Config) -> None:
    """Start a screen where there is none: one for each pytest-xdist worker, so that windows do not steal the focus."""
    if config.getoption("dist", "no") != "no" and not hasattr(config, "workerinput"):
        return  # the workers run the tests
    screen = ExitStack()
    try:
        screen.enter_context(virtual_display())
    except RenderingError as error:
        raise pytest.UsageError(str(error)) from error
    config.add_cleanup(screen.close)

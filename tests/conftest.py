"""For all tests: a screen to show windows on, and a place for the documentation's pictures."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from vinn_core.errors import RenderingError
from vinn_core.virtual_display import virtual_display


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--save-pictures", action="store_true", help="keep the documentation's pictures in docs/images")


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


@pytest.fixture
def picture_folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Where a test marked `docs` saves its picture: docs/images in `make docs`, else a folder that is thrown away."""
    if not request.config.getoption("--save-pictures"):
        return tmp_path
    folder = request.config.rootpath / "docs" / "images"
    folder.mkdir(parents=True, exist_ok=True)
    return folder

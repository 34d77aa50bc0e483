"""What all tests of training share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from vinn_core.encoder.torch_setup import one_thread


@pytest.fixture(autouse=True, scope="module")
def one_core() -> Iterator[None]:
    """Such small networks gain nothing from more."""
    with one_thread():
        yield

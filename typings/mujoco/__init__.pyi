"""MuJoCo's compiled modules ship without stubs: every name in them is Any to the type checker."""

from typing import Any

def __getattr__(name: str) -> Any: ...

"""Fixtures for tests of the window's parts."""

from __future__ import annotations

from window_fixtures import open_window, own_settings, qapp, qapp_args, window, workspace_folder

__all__ = ["open_window", "own_settings", "qapp", "qapp_args", "window", "workspace_folder"]

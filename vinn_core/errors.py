"""The errors a person may see. Every message names the thing, the alternatives and the cure."""

from __future__ import annotations


class VinnError(Exception):
    """Base of all errors whose message is meant to be read by the person at the window or the shell."""


class ConfigError(VinnError):
    """A setting has a value that cannot work."""


class SceneError(VinnError):
    """A scene (MJCF) cannot be compiled or lacks a named part."""


class DatasetError(VinnError):
    """An episode or dataset is damaged, foreign, missing, or does not fit what is asked of it."""


class WorkspaceError(VinnError):
    """A workspace folder cannot be opened, is in use, or cannot be written."""


class EncoderError(VinnError):
    """An encoder cannot be loaded, its weights cannot be had, or training cannot start."""


class EmbeddingIndexError(VinnError):
    """An embedding index is missing, damaged, or belongs to another encoder or dataset."""


class RenderingError(VinnError):
    """No OpenGL context can be had to render camera images."""

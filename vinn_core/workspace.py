"""A workspace: the folder that holds the episodes, encoders, indexes and evaluations of one task."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Self

from filelock import FileLock, Timeout

from vinn_core.config import WorkspaceConfig
from vinn_core.errors import ConfigError, WorkspaceError
from vinn_core.files import disk_errors, replace_text

_FOLDERS = ("episodes", "encoders", "indexes", "evaluations", "log")


class Workspace:
    """An open workspace folder; see `open`. A context manager that gives the lock back."""

    def __init__(self, path: Path, config: WorkspaceConfig, lock: FileLock | None) -> None:
        self.path = path
        self.config = config
        self._lock = lock

    @classmethod
    def open(cls, path: Path, config: WorkspaceConfig | None = None, lock: bool = False) -> Self:
        """Open the workspace at `path`, making it with `config` (or defaults) when there is none.

        Args:
            config: of a new workspace; must fit the task and cameras of an existing one.
            lock: keep others that lock out while this is open. The window does; command-line jobs run beside it.

        Raises:
            WorkspaceError: not a folder, not writable, workspace.json broken, open in another window, or `config`
                differs.
        """
        with disk_errors(f"opening the workspace {path}"):
            path = path.expanduser().resolve()
            file = path / "workspace.json"
            if path.exists() and not path.is_dir():
                raise WorkspaceError(f"{path} is a file, not a workspace folder; choose a folder.")
            if not file.exists() and path.exists() and any(path.iterdir()) and not (path / "episodes").exists():
                raise WorkspaceError(f"{path} holds other files and is no workspace; choose an empty or new folder.")
            for name in _FOLDERS:
                (path / name).mkdir(parents=True, exist_ok=True)
        if not all(os.access(folder, os.W_OK | os.X_OK) for folder in (path, path / "episodes")):
            raise WorkspaceError(f"{path} may not be written to; change its permissions, or choose another folder.")
        held = _take_lock(path) if lock else None
        try:
            if file.exists():
                present = _read_config(file)
                if config is not None and (config.task, config.cameras) != (present.task, present.cameras):
                    raise WorkspaceError(
                        f"{path} is a workspace for the task {present.task} with cameras {', '.join(present.cameras)}; "
                        f"choose another folder for {config.task} with {', '.join(config.cameras)}."
                    )
            else:
                present = config or WorkspaceConfig()
                with disk_errors(f"creating the workspace {path}"):
                    replace_text(file, present.to_json())
            return cls(path, present, held)
        except BaseException:
            if held is not None:
                held.release()
            raise

    def update(self, config: WorkspaceConfig) -> None:
        """Change the settings of this workspace. Raises WorkspaceError when they cannot be written."""
        with disk_errors(f"saving the settings of {self.path}"):
            replace_text(self.path / "workspace.json", config.to_json())
        self.config = config

    def close(self) -> None:
        """Give the lock back."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def episodes_folder(self) -> Path:
        """One file an episode."""
        return self.path / "episodes"

    @property
    def encoders_folder(self) -> Path:
        """One folder an encoder."""
        return self.path / "encoders"

    @property
    def indexes_folder(self) -> Path:
        """One folder an index."""
        return self.path / "indexes"

    @property
    def evaluations_folder(self) -> Path:
        """One folder an evaluation."""
        return self.path / "evaluations"

    @property
    def log_folder(self) -> Path:
        """What the window writes down."""
        return self.path / "log"


def _read_config(file: Path) -> WorkspaceConfig:
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(values, dict):
            raise ConfigError("it is not a JSON object.")
        return WorkspaceConfig.from_dict(values)
    except (OSError, ValueError, ConfigError) as error:
        reason = str(error).rstrip(".")
        raise WorkspaceError(f"{file} cannot be read: {reason}. Mend the file, or choose another folder.") from error


def _take_lock(path: Path) -> FileLock:
    holder = path / "log" / "open-by.txt"
    lock = FileLock(path / "workspace.lock", timeout=0, thread_local=False)
    with disk_errors(f"locking the workspace {path}"):
        try:
            lock.acquire()
        except Timeout as error:  # itself an OSError, but not the disk's fault
            process = holder.read_text(encoding="utf-8") if holder.exists() else "unknown"
            raise WorkspaceError(
                f"The workspace {path.name} is open in another window (process {process}). "
                "Close that window, or choose another workspace."
            ) from error
        holder.write_text(str(os.getpid()), encoding="utf-8")
    return lock

"""What a training run leaves on disk until it is done: its history and its checkpoint."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from vinn_core.encoder import save_tensors
from vinn_core.encoder_store import CHECKPOINT_FILE, HISTORY_FILE
from vinn_core.errors import EncoderError
from vinn_core.files import disk_errors, remove_leftovers, replace_file, replace_text


class TrainingFiles:
    """History and checkpoint in the encoder's folder. Whatever the disk refuses is raised as EncoderError."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._history = folder / HISTORY_FILE
        self.checkpoint = folder / CHECKPOINT_FILE

    def start(self) -> None:
        """Begin a new run in the folder: forget the history and checkpoint of the last one."""
        with disk_errors("starting the training", EncoderError):
            self._folder.mkdir(parents=True, exist_ok=True)
            remove_leftovers(self._folder)
            self._history.unlink(missing_ok=True)
            self.checkpoint.unlink(missing_ok=True)

    def note(self, facts: dict[str, Any]) -> None:
        """Add a line to the history; `facts` has a "step"."""
        with disk_errors("writing the training history", EncoderError), self._history.open("a") as file:
            file.write(json.dumps(facts) + "\n")

    def save_checkpoint(self, content: dict[str, Any]) -> None:
        """Replace the checkpoint; when the disk refuses, the last one stays."""
        with disk_errors("saving the checkpoint", EncoderError):
            self._folder.mkdir(parents=True, exist_ok=True)
            replace_file(self.checkpoint, lambda path: save_tensors(content, path))

    def forget_history_after(self, step: int) -> None:
        """Leave out of the history what a killed run did after its last checkpoint: it will be done again."""
        if not self._history.exists():
            return
        kept = []
        for line in self._history.read_text(encoding="utf-8").splitlines():
            with suppress(ValueError):  # the kill may have cut the last line short
                if json.loads(line)["step"] <= step:
                    kept.append(f"{line}\n")
        with disk_errors("resuming the training", EncoderError):
            remove_leftovers(self._folder)
            replace_text(self._history, "".join(kept))

"""What a training run leaves on disk until it is done: its history and its checkpoint."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from vinn_core.config import TrainConfig
from vinn_core.encoder.network import save_tensors
from vinn_core.encoder.store import CHECKPOINT_FILE, HISTORY_FILE
from vinn_core.encoder.torch_setup import DAMAGE
from vinn_core.errors import ConfigError, EncoderError
from vinn_core.files import disk_errors, finish_replacing, remove_leftovers, replace_file, replace_text

import torch  # isort: skip  # after torch_setup


class TrainingFiles:
    """History and checkpoint in the encoder's folder. Whatever the disk refuses is raised as EncoderError.

    Args:
        folder: of the encoder.
        config: of the run; a checkpoint of other settings is refused.
        dataset_fingerprint: of the episodes; a checkpoint of others is refused.
    """

    def __init__(self, folder: Path, config: TrainConfig, dataset_fingerprint: str) -> None:
        self._folder = folder
        self._config = config
        self._dataset_fingerprint = dataset_fingerprint
        self._history = folder / HISTORY_FILE
        self._checkpoint = folder / CHECKPOINT_FILE
        with disk_errors("opening the encoder's folder", EncoderError):
            finish_replacing(folder)

    def start(self) -> None:
        """Begin a new run in the folder: forget the history and checkpoint of the last one."""
        with disk_errors("starting the training", EncoderError):
            self._folder.mkdir(parents=True, exist_ok=True)
            remove_leftovers(self._folder)
            self._history.unlink(missing_ok=True)
            self._checkpoint.unlink(missing_ok=True)

    def note(self, facts: dict[str, Any]) -> None:
        """Add a line to the history; `facts` has a "step"."""
        with disk_errors("writing the training history", EncoderError), self._history.open("a") as file:
            file.write(json.dumps(facts) + "\n")

    def save_checkpoint(self, state: dict[str, Any]) -> None:
        """Replace the checkpoint; when the disk refuses, the last one stays."""
        content = {"config": self._config.to_json(), "dataset": self._dataset_fingerprint, **state}
        with disk_errors("saving the checkpoint", EncoderError):
            self._folder.mkdir(parents=True, exist_ok=True)
            replace_file(self._checkpoint, lambda path: save_tensors(content, path))

    def load_checkpoint(self, device: torch.device) -> dict[str, Any]:
        """The state that `save_checkpoint` took, its tensors on `device`; it has a "step".

        Raises:
            EncoderError: there is none, it is damaged, or it belongs to other settings or episodes.
        """
        name = self._folder.name
        if not self._checkpoint.exists():
            raise EncoderError(f"encoder '{name}' has no checkpoint to resume; train it without --resume.")
        try:
            state = torch.load(self._checkpoint, map_location=device, weights_only=True)
            same_config = TrainConfig.from_dict(json.loads(state["config"])) == self._config
            same_dataset = state["dataset"] == self._dataset_fingerprint
            step = int(state["step"])
        except (*DAMAGE, ConfigError) as error:
            raise damaged_checkpoint(name) from error
        if not (same_config and same_dataset):
            what = "episodes" if same_config else "settings"
            raise EncoderError(f"the checkpoint of encoder '{name}' belongs to other {what}; train it anew.")
        self._forget_history_after(step)
        return state

    def _forget_history_after(self, step: int) -> None:
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


def damaged_checkpoint(name: str) -> EncoderError:
    """What to say when the checkpoint of encoder `name` holds something else."""
    return EncoderError(f"the checkpoint of encoder '{name}' is damaged; train it again without --resume.")

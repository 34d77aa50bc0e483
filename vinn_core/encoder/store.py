"""What encoders a workspace has, read and replaced without torch."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from vinn_core.config import JsonRecord, TrainConfig
from vinn_core.encoder.history import ProbeCurve
from vinn_core.errors import ConfigError, EncoderError
from vinn_core.files import disk_errors, finish_replacing, replace_folder, restore_replaced

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "encoder.pt"
CHECKPOINT_FILE = "checkpoint.pt"
HISTORY_FILE = "history.jsonl"


@dataclass(frozen=True)
class StoredEncoder(JsonRecord):
    """An encoder on disk.

    Attributes:
        name: of its folder.
        origin: readable sentence, where its weights come from.
        train: how it was trained.
        frames: number of frames it was trained on.
        fingerprint: sha256 over its configuration and weights.
        created: ISO 8601, UTC.
        probe: the action error by epoch and whose weights these are; None when it was not measured.
    """

    name: str
    origin: str
    train: TrainConfig
    frames: int
    fingerprint: str
    created: str
    probe: ProbeCurve | None = None


def replace_stored_encoder(folder: Path, encoder: StoredEncoder, write_weights: Callable[[Path], object]) -> None:
    """Make `folder` hold this encoder, whole or not at all; whatever else was there stays, but no checkpoint.

    Raises:
        OSError: the disk is full or refuses; what was there is unchanged.
    """

    def write(fresh: Path) -> None:
        write_weights(fresh / WEIGHTS_FILE)
        (fresh / CONFIG_FILE).write_text(encoder.to_json(), encoding="utf-8")
        if folder.exists():
            others = shutil.ignore_patterns(WEIGHTS_FILE, CONFIG_FILE, CHECKPOINT_FILE, ".*.tmp")
            shutil.copytree(folder, fresh, ignore=others, dirs_exist_ok=True)

    replace_folder(folder, write)


def read_stored_encoder(folder: Path) -> StoredEncoder:
    """Raises EncoderError when there is no encoder in `folder` or its config.json is damaged."""
    _finish(folder)
    if not _is_whole(folder):
        present = [encoder.name for encoder in list_encoders(folder.parent)]
        known = f"there are: {', '.join(present)}" if present else "there is none yet: train one"
        raise EncoderError(f"no encoder '{folder.name}'; {known}.")
    try:
        values = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
        TrainConfig.from_dict(values["train"])  # a setting that is unknown here changes what the weights mean
        return StoredEncoder.from_dict({**values, "name": folder.name})
    except (OSError, ValueError, TypeError, KeyError, ConfigError) as error:
        raise EncoderError(f"the encoder '{folder.name}' is damaged ({error}); train it again.") from error


def list_encoders(folder: Path) -> list[StoredEncoder]:
    """All whole encoders in the workspace's encoders folder, by name; damaged ones are left out.

    Raises:
        EncoderError: the disk refuses.
    """
    with disk_errors("looking for encoders", EncoderError):
        restore_replaced(folder)
    encoders = []
    for path in sorted(folder.glob("[!.]*")):
        if _is_whole(path):
            try:
                encoders.append(read_stored_encoder(path))
            except EncoderError:
                continue
    return encoders


def has_checkpoint(folder: Path, name: str) -> bool:
    """Whether a stopped training of encoder `name` can be resumed."""
    with suppress(EncoderError):  # training itself says what is wrong
        _finish(folder / name)
    return (folder / name / CHECKPOINT_FILE).exists()


def _finish(folder: Path) -> None:
    with disk_errors(f"looking for the encoder '{folder.name}'", EncoderError):
        finish_replacing(folder)


def _is_whole(folder: Path) -> bool:
    return (folder / CONFIG_FILE).exists() and (folder / WEIGHTS_FILE).exists()

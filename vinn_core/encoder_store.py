"""What encoders a workspace has, read without torch."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from vinn_core.config import TrainConfig
from vinn_core.errors import ConfigError, EncoderError
from vinn_core.files import replace_file
from vinn_core.probe_curve import ProbeCurve

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "encoder.pt"
CHECKPOINT_FILE = "checkpoint.pt"
HISTORY_FILE = "history.jsonl"


@dataclass(frozen=True)
class StoredEncoder:
    """An encoder on disk.

    Attributes:
        name: of its folder. origin: readable sentence, where its weights come from.
        train: how it was trained. frames: number of frames it was trained on.
        fingerprint: sha256 over its configuration and weights. created: ISO 8601, UTC.
        probe: the action error by epoch and whose weights these are; None when it was not measured.
    """

    name: str
    origin: str
    train: TrainConfig
    frames: int
    fingerprint: str
    created: str
    probe: ProbeCurve | None = None

    @property
    def description(self) -> str:
        return self.origin


def write_stored_encoder(
    folder: Path, encoder: StoredEncoder, write_weights: Callable[[Path], None] | None = None
) -> None:
    """Write config.json into `folder`, and encoder.pt by `write_weights`; both are whole before either is replaced.

    Raises:
        OSError: the disk is full or refuses; what was there is unchanged.
    """

    def write(path: Path) -> None:
        path.write_text(json.dumps(asdict(encoder), indent=2) + "\n", encoding="utf-8")
        if write_weights is not None:
            replace_file(folder / WEIGHTS_FILE, write_weights)

    replace_file(folder / CONFIG_FILE, write)


def read_stored_encoder(folder: Path) -> StoredEncoder:
    """Raises EncoderError when there is no encoder in `folder` or its config.json is damaged."""
    file = folder / CONFIG_FILE
    if not file.exists() or not (folder / WEIGHTS_FILE).exists():
        present = [encoder.name for encoder in list_encoders(folder.parent)]
        known = f"there are: {', '.join(present)}" if present else "there is none yet: train one"
        raise EncoderError(f"no encoder '{folder.name}'; {known}.")
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        train, probe = TrainConfig.from_dict(values["train"]), values.get("probe")
        curve = ProbeCurve.from_dict(probe) if probe else None
        return StoredEncoder(**{**values, "name": folder.name, "train": train, "probe": curve})
    except (OSError, ValueError, TypeError, KeyError, ConfigError) as error:
        raise EncoderError(f"the encoder '{folder.name}' is damaged ({error}); train it again.") from error


def list_encoders(folder: Path) -> list[StoredEncoder]:
    """All whole encoders in the workspace's encoders folder, by name; damaged ones are left out."""
    encoders = []
    for path in sorted(folder.glob("[!.]*")):
        if (path / CONFIG_FILE).exists() and (path / WEIGHTS_FILE).exists():
            try:
                encoders.append(read_stored_encoder(path))
            except EncoderError:
                continue
    return encoders


def has_checkpoint(folder: Path, name: str) -> bool:
    """Whether a stopped training of encoder `name` can be resumed."""
    return (folder / name / CHECKPOINT_FILE).exists()

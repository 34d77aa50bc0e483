"""How the folder of an index is replaced whole or not at all, and how damage to it is found."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

CHECKED_FILES = ("index.ann", "vectors.npy", "embeddings.npy", "rows.npz", "transform.npz")


def sha256_of_files(folder: Path) -> dict[str, str]:
    """SHA-256 of each file that running the policy needs. Raises OSError when one is missing."""
    sums = {}
    for name in CHECKED_FILES:
        with (folder / name).open("rb") as file:
            sums[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return sums


def fresh_folder(folder: Path) -> Path:
    """An empty folder beside `folder` to write its replacement into."""
    fresh = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    return fresh


def replace_folder(folder: Path, fresh: Path) -> None:
    """Put `fresh` in the place of `folder`. Cut short at any point, `finish_replacing` brings a whole one back."""
    finish_replacing(folder)
    old = _old(folder)
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    fresh.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def finish_replacing(folder: Path) -> None:
    """Bring the old folder back if replacing it was cut short between the two renames."""
    if _old(folder).exists() and not folder.exists():
        _old(folder).rename(folder)


def read_features(folder: Path, encoder_fingerprint: str) -> dict[str, NDArray[np.float32]]:
    """The raw features cached by the last build with the same encoder: "<episode fingerprint>.<camera>" -> (T, F).

    Only a cache: whatever is wrong with it, the answer is an empty one.
    """
    try:
        facts = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        if facts["encoder_fingerprint"] != encoder_fingerprint:
            return {}
        # Opened here, because np.load leaves the file open when it is not a whole archive.
        with (folder / "features.npz").open("rb") as file, np.load(file) as arrays:
            return {key: arrays[key] for key in arrays.files}
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        return {}


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """An .npz file of the named arrays."""
    np.savez(path, allow_pickle=False, **arrays)  # pyright: ignore[reportArgumentType]


def _old(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.old")

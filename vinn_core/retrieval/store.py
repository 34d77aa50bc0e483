"""Indexes on disk: the one place that reads and writes their folders. Each is replaced whole or not at all."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vinn_core.config import IndexConfig, JsonRecord
from vinn_core.encoder.store import read_stored_encoder
from vinn_core.errors import ConfigError, EmbeddingIndexError
from vinn_core.files import disk_errors, finish_replacing, replace_folder, restore_replaced
from vinn_core.retrieval.embedding import EmbeddingTransform
from vinn_core.retrieval.index import METRIC, EmbeddingIndex, IndexInfo
from vinn_core.workspace import Workspace

FORMAT_VERSION = 2
_FACTS = "index.json"
CHECKED_FILES = ("index.ann", "vectors.npy", "embeddings.npy", "rows.npz", "transform.npz")
"""What running the policy needs, without the facts."""
_FEATURES = "features.npz"
_NOT_READABLE = (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, ConfigError, zipfile.BadZipFile)
"""What reading files raises that hold something else than they should."""


@dataclass(frozen=True)
class StoredIndex(JsonRecord):
    """What is known of an index without loading it.

    Attributes:
        name: of its folder.
        info: where it came from.
        frames: rows in it.
        sha256: of each of its files, by name.
        outdated: made by another version of this program, which loading it says.
    """

    name: str
    info: IndexInfo
    frames: int
    sha256: Mapping[str, str]
    outdated: bool = False

    def require_present_version(self) -> None:
        """Raises EmbeddingIndexError when it is outdated."""
        if self.outdated:
            raise EmbeddingIndexError(
                f"The index '{self.name}' was made by another version of this program: rebuild the index."
            )


@dataclass(frozen=True)
class IndexOrigin(JsonRecord):
    """What an index was made of, as an evaluation of its policy keeps it.

    Attributes:
        name: of the index.
        cameras: that its encoder sees by.
        The rest as in `IndexInfo` and `StoredIndex`; what an older evaluation has not noted is empty.
    """

    name: str = ""
    encoder: str = ""
    encoder_fingerprint: str = ""
    dataset_fingerprint: str = ""
    created: str = ""
    sha256: Mapping[str, str] | None = None
    config: IndexConfig = field(default_factory=IndexConfig)
    episodes: Mapping[int, str] | None = None
    cameras: tuple[str, ...] = ()


def save_index(index: EmbeddingIndex, folder: Path, features: Mapping[str, NDArray[np.float32]] | None = None) -> None:
    """Write everything into `folder`, replacing what was there in one rename when the new one is whole.

    Args:
        features: raw encoder features for the next build: "<episode fingerprint>.<camera>" -> (T, F) float32.

    Raises:
        EmbeddingIndexError: it cannot be written; an index that was there before is kept.
    """

    def write(fresh: Path) -> None:
        index.save_trees(fresh / "index.ann")
        np.save(fresh / "vectors.npy", index.vectors)
        np.save(fresh / "embeddings.npy", index.embeddings)
        _write_arrays(fresh / "rows.npz", {"episode": index.episodes, "step": index.steps, "actions": index.actions})
        _write_arrays(fresh / "transform.npz", index.transform.to_arrays())
        _write_arrays(fresh / _FEATURES, features or {})
        about = {"format_version": FORMAT_VERSION, "metric": METRIC, "rows": len(index)}
        facts = {**about, **index.info.to_dict(), "sha256": _sha256_of_files(fresh)}
        (fresh / _FACTS).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")

    try:
        replace_folder(folder, write)
    except OSError as error:
        raise EmbeddingIndexError(
            f"The index '{folder.name}' could not be written ({error.strerror or error}); what was there before "
            "is kept. Free some disk space or check the folder's permissions, then build it again."
        ) from error


def load_index(folder: Path) -> EmbeddingIndex:
    """The index in `folder`. Raises EmbeddingIndexError when it is missing or damaged."""
    stored = read_stored_index(folder)
    stored.require_present_version()
    try:
        if _sha256_of_files(folder) != stored.sha256:  # Annoy trusts its file: a damaged one can end the process
            raise ValueError("a file is not what was written")
        embeddings, vectors = np.load(folder / "embeddings.npy"), np.load(folder / "vectors.npy")
        with np.load(folder / "rows.npz") as rows, np.load(folder / "transform.npz") as arrays:
            return EmbeddingIndex(
                embeddings,
                rows["episode"],
                rows["step"],
                actions=rows["actions"],
                transform=EmbeddingTransform.from_arrays(arrays),
                info=stored.info,
                vectors=vectors,
                trees=folder / "index.ann",
            )
    except _NOT_READABLE as error:
        raise _damaged(folder, error) from error


def read_stored_index(folder: Path) -> StoredIndex:
    """What is known of the index in `folder`, outdated or not. Raises EmbeddingIndexError when missing or damaged."""
    with disk_errors(f"looking for the index '{folder.name}'", EmbeddingIndexError):
        finish_replacing(folder)
    if not (folder / _FACTS).is_file():
        raise EmbeddingIndexError(f"There is no index '{folder.name}' yet: build the index first.")
    try:
        facts = json.loads((folder / _FACTS).read_text(encoding="utf-8"))
        outdated = facts["format_version"] != FORMAT_VERSION
        if outdated:
            facts["config"] = {}
        IndexConfig.from_dict(facts["config"])  # a setting that is unknown here changes what the vectors mean
        about = {"name": folder.name, "frames": facts["rows"], "sha256": facts.get("sha256", {}), "outdated": outdated}
        return StoredIndex.from_dict({**about, "info": facts})
    except _NOT_READABLE as error:
        raise _damaged(folder, error) from error


def index_names(folder: Path) -> list[str]:
    """Of all indexes in the workspace's indexes folder, damaged ones included.

    Raises:
        EmbeddingIndexError: the disk refuses.
    """
    with disk_errors("looking for indexes", EmbeddingIndexError):
        restore_replaced(folder)
    return sorted(path.parent.name for path in folder.glob(f"[!.]*/{_FACTS}"))


def list_indexes(folder: Path) -> list[StoredIndex]:
    """All whole indexes in the workspace's indexes folder, by name; loading one of the others says what is wrong."""
    found = []
    for name in index_names(folder):
        try:
            found.append(read_stored_index(folder / name))
        except EmbeddingIndexError:
            continue
    return found


def index_origin(workspace: Workspace, name: str) -> IndexOrigin:
    """What an index was made of, read without loading it.

    Raises:
        EmbeddingIndexError, EncoderError: the index or its encoder is missing or damaged.
    """
    stored = read_stored_index(workspace.indexes_folder / name)
    stored.require_present_version()
    encoder = read_stored_encoder(workspace.encoders_folder / stored.info.encoder)
    return IndexOrigin(
        name=name,
        encoder=stored.info.encoder,
        encoder_fingerprint=stored.info.encoder_fingerprint,
        dataset_fingerprint=stored.info.dataset_fingerprint,
        created=stored.info.created,
        sha256=stored.sha256,
        config=stored.info.config,
        episodes=stored.info.episodes,
        cameras=encoder.train.cameras,
    )


def read_features(folder: Path, encoder_fingerprint: str) -> dict[str, NDArray[np.float32]]:
    """The raw features cached by the last build with the same encoder: "<episode fingerprint>.<camera>" -> (T, F).

    Only a cache: whatever is wrong with it, the answer is an empty one.
    """
    try:
        facts = json.loads((folder / _FACTS).read_text(encoding="utf-8"))
        if facts["encoder_fingerprint"] != encoder_fingerprint:
            return {}
        # Opened here, because np.load leaves the file open when it is not a whole archive.
        with (folder / _FEATURES).open("rb") as file, np.load(file) as arrays:
            return {key: arrays[key] for key in arrays.files}
    except _NOT_READABLE:
        return {}


def _damaged(folder: Path, error: Exception) -> EmbeddingIndexError:
    return EmbeddingIndexError(f"The index '{folder.name}' is damaged ({error}): rebuild the index.")


def _sha256_of_files(folder: Path) -> dict[str, str]:
    """Of each file that running the policy needs. Raises OSError when one is missing."""
    sums = {}
    for name in CHECKED_FILES:
        with (folder / name).open("rb") as file:
            sums[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return sums


def _write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    np.savez(path, allow_pickle=False, **arrays)  # pyright: ignore[reportArgumentType]

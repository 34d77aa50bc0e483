"""What a workspace holds, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from vinn_core.config import JsonRecord
from vinn_core.encoder.store import list_encoders
from vinn_core.episodes.dataset import Dataset
from vinn_core.retrieval.store import index_names
from vinn_core.workspace import Workspace


@dataclass(frozen=True)
class WorkspaceInfo(JsonRecord):
    """What a workspace holds.

    Attributes:
        task: that it teaches.
        look: visual variation of new episodes.
        cameras: recorded in each observation.
        episodes: number of whole ones.
        episodes_by_source: the same by who acted.
        successes: episodes marked as solved.
        frames: of all episodes.
        bytes: that the episodes take on disk.
        damaged: a sentence for each file that cannot be read.
        encoders: their names.
        indexes: their names.
    """

    task: str
    look: str
    cameras: tuple[str, ...]
    episodes: int
    episodes_by_source: Mapping[str, int]
    successes: int
    frames: int
    bytes: int
    damaged: tuple[str, ...]
    encoders: tuple[str, ...]
    indexes: tuple[str, ...]

    def in_words(self) -> str:
        """A line for each attribute."""
        lines = []
        for name, value in self.to_dict().items():
            text = ", ".join(value) if isinstance(value, tuple) else value
            lines.append(f"{name}: {text if text != '' else 'none'}")
        return "\n".join(lines)


def describe(workspace: Workspace) -> WorkspaceInfo:
    """Count everything in the workspace."""
    dataset = Dataset(workspace)
    summaries = dataset.summaries()
    return WorkspaceInfo(
        task=workspace.config.task,
        look=workspace.config.look,
        cameras=workspace.config.cameras,
        episodes=len(summaries),
        episodes_by_source=dict(Counter(str(summary.source) for summary in summaries)),
        successes=sum(summary.success is True for summary in summaries),
        frames=sum(summary.length for summary in summaries),
        bytes=sum(summary.path.stat().st_size for summary in summaries),
        damaged=tuple(sentence for _, sentence in dataset.damaged()),
        encoders=tuple(encoder.name for encoder in list_encoders(workspace.encoders_folder)),
        indexes=tuple(index_names(workspace.indexes_folder)),
    )

"""What a workspace holds, counted."""

from __future__ import annotations

from collections import Counter
from typing import Any

from vinn_core.dataset import Dataset
from vinn_core.encoder_store import list_encoders
from vinn_core.workspace import Workspace


def describe(workspace: Workspace) -> dict[str, Any]:
    """Task, look, cameras, episodes by source, successes, frames, bytes, damaged files, encoders and indexes."""
    dataset = Dataset(workspace)
    summaries = dataset.summaries()
    return {
        "task": workspace.config.task,
        "look": workspace.config.look,
        "cameras": list(workspace.config.cameras),
        "episodes": len(summaries),
        "episodes_by_source": dict(Counter(str(summary.source) for summary in summaries)),
        "successes": sum(summary.success is True for summary in summaries),
        "frames": sum(summary.length for summary in summaries),
        "bytes": sum(summary.path.stat().st_size for summary in summaries),
        "damaged": [sentence for _, sentence in dataset.damaged()],
        "encoders": [encoder.name for encoder in list_encoders(workspace.encoders_folder)],
        "indexes": sorted(path.parent.name for path in workspace.indexes_folder.glob("[!.]*/index.json")),
    }

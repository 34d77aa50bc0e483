"""Building an index: every frame of the usable episodes embedded, the metric learnt, the trees grown."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from vinn_core.config import IndexJob, JsonRecord
from vinn_core.episodes.dataset import Dataset
from vinn_core.progress import Report, StageProgress, StopRequest
from vinn_core.retrieval.embedding import EmbeddingTransform, FrameEncoder
from vinn_core.retrieval.index import RECALL_NEIGHBOURS, EmbeddingIndex, IndexInfo
from vinn_core.retrieval.rows import collect_rows
from vinn_core.retrieval.store import read_features, save_index
from vinn_core.workspace import Workspace

_STAGE = "Building index"


@dataclass(frozen=True)
class IndexResult(JsonRecord):
    """An index that was built.

    Attributes:
        name: of the index.
        encoder: name of its encoder.
        frames: rows in it.
        recall: recall@5 against exact search, in [0, 1].
    """

    name: str
    encoder: str
    frames: int
    recall: float

    def in_words(self) -> str:
        """What was built, on one line."""
        return f"index '{self.name}' of {self.frames} frames, recall@5 {self.recall:.3f}"


def build_index(
    workspace: Workspace, encoder: FrameEncoder, job: IndexJob, *, report: Report, stop: StopRequest
) -> EmbeddingIndex | None:
    """Embed the usable episodes, grow the trees and store the index; None when asked to stop (nothing is changed).

    Episodes marked as failed are left out. Features of episodes embedded before by the same encoder are reused.

    Args:
        encoder: the one that `job` names.

    Raises:
        EmbeddingIndexError: no usable episode, a camera is missing, or the index cannot be written.
    """
    config = job.index
    dataset = Dataset(workspace)
    usable = [summary for summary in dataset.summaries() if summary.usable]
    folder = workspace.indexes_folder / job.index_name
    cache = read_features(folder, encoder.fingerprint)
    rows = collect_rows(
        usable,
        encoder,
        encoder_name=job.encoder,
        leave_out_idle=config.leave_out_idle,
        cache=cache,
        report=report,
        stop=stop,
    )
    if rows is None:
        return None
    report(StageProgress(_STAGE, 0, len(rows.steps), "frame"))
    transform = EmbeddingTransform.fit(rows.features, rows.proprioception, config)
    embeddings = transform.apply(rows.features, rows.proprioception)
    if config.metric_steps:
        from vinn_core.retrieval.metric import learn_metric  # reaches torch

        metric = learn_metric(embeddings, rows.episodes, rows.actions, config=config, report=report, stop=stop)
        transform = replace(transform, metric=metric)
    info = IndexInfo(
        encoder=job.encoder,
        encoder_fingerprint=encoder.fingerprint,
        dataset_fingerprint=dataset.fingerprint(),
        episodes={summary.number: summary.fingerprint for summary in usable},
        config=config,
        search_k=config.search_k if config.search_k > 0 else RECALL_NEIGHBOURS * config.trees,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    index = EmbeddingIndex(embeddings, rows.episodes, rows.steps, actions=rows.actions, transform=transform, info=info)
    index.tune()
    if stop:
        return None
    save_index(index, folder, rows.cache)
    report(StageProgress(_STAGE, len(index), len(index), "frame", 0.0))
    return index

"""Time of one nearest-neighbour query: our index against exact NumPy and against the loop over all rows.

The loop is that of the implementation this program grew out of: for every row the torch.norm of the difference,
pushed into a heap. All three run on the same vectors in the same process; the ratios are what counts.

    python benchmarks/index_query.py [--json results.json] [--against earlier.json]
"""

from __future__ import annotations

import argparse
import heapq
import json
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from numpy.typing import NDArray

import vinn_core.encoder.torch_setup  # noqa: F401  # before torch
from vinn_core.config import IndexConfig
from vinn_core.retrieval.embedding import EmbeddingTransform
from vinn_core.retrieval.index import EmbeddingIndex, IndexInfo

import torch  # isort: skip  # after torch_setup

K = 5
SIZES = ((20_000, 512), (3_500, 70))
"""Rows and dimensions: a large unwhitened index, and one of 100 demonstrations at the default settings."""


def demonstrations(rows: int, dimensions: int, seed: int = 0) -> NDArray[np.float32]:
    """Vectors like those of demonstrations: smooth paths of 35 frames in a space of falling variance."""
    random = np.random.default_rng(seed)
    strength = 1.0 / np.sqrt(np.arange(1, dimensions + 1))
    starts = random.standard_normal((rows // 35 + 1, 1, dimensions))
    paths = starts + np.cumsum(0.3 * random.standard_normal((len(starts), 35, dimensions)), axis=1)
    return (paths.reshape(-1, dimensions)[:rows] * strength).astype(np.float32)


def make_index(vectors: NDArray[np.float32]) -> EmbeddingIndex:
    rows = len(vectors)
    config = IndexConfig()
    transform = EmbeddingTransform.fit({}, np.zeros((1, 5)), config)
    info = IndexInfo("benchmark", "", "", {}, config, config.search_k)
    steps = np.arange(rows, dtype=np.int32)
    actions = np.zeros((rows, 7), np.float32)
    index = EmbeddingIndex(vectors, steps, steps, actions=actions, transform=transform, info=info)
    index.tune()
    return index


def exact_numpy(vectors: NDArray[np.float32], query: NDArray[np.float32]) -> list[int]:
    differences = vectors - query
    distances = np.einsum("nd,nd->n", differences, differences)
    nearest = np.argpartition(distances, K)[:K]
    return nearest[np.argsort(distances[nearest])].tolist()


def loop_over_rows(vectors: torch.Tensor, query: torch.Tensor) -> list[int]:
    heap: list[tuple[float, int]] = []
    for row in range(len(vectors)):
        heapq.heappush(heap, (torch.norm(vectors[row] - query).item(), row))
    return [heapq.heappop(heap)[1] for _ in range(K)]


def median_ms(call: Callable[[int], Any], repeats: int) -> float:
    """Median time of `call(i)` [ms] after one unmeasured call."""
    call(0)
    times = []
    for i in range(repeats):
        started = perf_counter()
        call(i)
        times.append(perf_counter() - started)
    return float(np.median(times) * 1e3)


def measure(rows: int, dimensions: int) -> dict[str, float]:
    vectors = demonstrations(rows, dimensions)
    started = perf_counter()
    index = make_index(vectors)
    build_s = perf_counter() - started
    noise = np.random.default_rng(1).standard_normal((300, dimensions)).astype(np.float32)
    queries = vectors[:: rows // 300][:300] + 0.05 * vectors.std(axis=0) * noise
    tensor, query_tensors = torch.from_numpy(vectors), torch.from_numpy(queries)
    annoy = median_ms(lambda i: index.query(queries[i], K), 300)
    exact = median_ms(lambda i: exact_numpy(vectors, queries[i]), 50)
    loop = median_ms(lambda i: loop_over_rows(tensor, query_tensors[i]), 5)
    return {
        "rows": rows,
        "dimensions": dimensions,
        "index_ms": annoy,
        "exact_numpy_ms": exact,
        "loop_ms": loop,
        "times_faster_than_exact_numpy": exact / annoy,
        "times_faster_than_loop": loop / annoy,
        "recall_at_5": index.info.recall,
        "search_k": index.info.search_k,
        "build_and_tune_s": build_s,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the results here")
    parser.add_argument("--against", type=Path, help="results of an earlier run to compare with")
    arguments = parser.parse_args()
    results = [measure(*size) for size in SIZES]
    earlier = json.loads(arguments.against.read_text(encoding="utf-8")) if arguments.against else [{}] * len(results)
    for result, before in zip(results, earlier, strict=True):
        print(
            f"{result['rows']} x {result['dimensions']}: index {result['index_ms']:.3f} ms "
            f"(recall@5 {result['recall_at_5']:.3f}, search_k {result['search_k']}), "
            f"exact NumPy {result['exact_numpy_ms']:.2f} ms ({result['times_faster_than_exact_numpy']:.1f} x), "
            f"loop {result['loop_ms']:.0f} ms ({result['times_faster_than_loop']:.0f} x); "
            f"built and tuned in {result['build_and_tune_s']:.1f} s"
        )
        if before:
            name = "times_faster_than_loop"
            print(f"  now {result[name] / before[name]:.2f} times the earlier ratio to the loop")
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

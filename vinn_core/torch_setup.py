"""The one way this program gets torch: before anything else may import it.

Triton carries its own LLVM, whose symbols clash with those of Mesa's software renderer: importing Triton after an
OpenGL context was made ends the process with a segmentation fault. We never compile models, so Triton is kept out.
"""

from __future__ import annotations

import sys

if "triton" not in sys.modules:
    sys.modules["triton"] = None  # type: ignore[assignment]  # `import triton` now raises ImportError, which torch handles

import torch

__all__ = ["choose_device", "torch", "use_one_thread"]


def choose_device(wanted: str = "auto") -> torch.device:
    """The device to train on: "auto" takes CUDA, then MPS, then the CPU."""
    if wanted != "auto":
        return torch.device(wanted)
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def use_one_thread() -> None:
    """Compute on one core from now on: results then do not depend on how many cores this process may use."""
    torch.set_num_threads(1)

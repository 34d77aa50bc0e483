"""The one way this program gets torch: before anything else may import it.

Triton carries its own LLVM, whose symbols clash with those of Mesa's software renderer: importing Triton after an
OpenGL context was made ends the process with a segmentation fault. We never compile models, so Triton is kept out.

Threads that wait for one another sleep instead of spinning: beside a busy window, spinning made training ten times
slower.
"""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from vinn_core.errors import EncoderError

if "triton" not in sys.modules:
    sys.modules["triton"] = None  # type: ignore[assignment]  # `import triton` now raises ImportError, which torch handles
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read by OpenMP when torch loads it

import torch

DAMAGE = (OSError, RuntimeError, ValueError, LookupError, TypeError, AttributeError, EOFError, pickle.UnpicklingError)
"""What torch.load and load_state_dict raise for files that are damaged or hold something else."""


def choose_device(wanted: str = "auto") -> torch.device:
    """The device to train on: "auto" takes CUDA, then MPS, then the CPU.

    Raises:
        EncoderError: this machine does not have the wanted device.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    present = [name for name, found in there.items() if found]
    if wanted != "auto" and wanted not in present:
        raise EncoderError(f"the device {wanted} is not available here; choose auto, or one of: {', '.join(present)}.")
    return torch.device(present[0] if wanted == "auto" else wanted)


@contextmanager
def one_thread() -> Iterator[None]:
    """Within, every operation runs on one core, in whichever thread it is called."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def use_one_thread() -> None:
    """Compute on one core from now on: results then do not depend on how many cores this process may use."""
    torch.set_num_threads(1)

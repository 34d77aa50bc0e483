"""What this machine offers: OpenGL, display, torch device, encoder weights, disk. Explains what is missing."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vinn_core.errors import VinnError

_LITTLE_DISK = 2 * 1024**3


@dataclass(frozen=True)
class Finding:
    """One checked thing: `ok`, what was found, and what to do when it is not ok."""

    name: str
    ok: bool
    found: str
    cure: str = ""


def examine(folder: Path) -> list[Finding]:
    """Check everything; never raises. `folder` is where workspaces would be written."""
    checks: list[Callable[[], Finding]] = [
        _check_rendering,
        _check_display,
        _check_torch,
        _check_weights,
        lambda: _check_disk(folder),
    ]
    return [check() for check in checks]


def as_json(findings: list[Finding]) -> dict[str, Any]:
    """One object for `--json`."""
    return {
        "ok": all(finding.ok for finding in findings),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "findings": [asdict(finding) for finding in findings],
    }


def _check_rendering() -> Finding:
    from vinn_core.rendering import CameraRenderer
    from vinn_core.simulation import Simulation
    from vinn_core.task import load_task

    try:
        simulation = Simulation(load_task("lift"))
        with CameraRenderer(simulation.model, 96, 96) as renderer:
            picture = renderer.render(simulation.data, "wrist")
    except VinnError as error:
        return Finding("OpenGL", False, str(error), "Install a graphics driver, or Mesa's software renderer.")
    platform_library = os.environ.get("MUJOCO_GL", "default")
    if picture.std() < 1.0:
        return Finding(
            "OpenGL", False, "camera images are blank", "Update the graphics driver, or set MUJOCO_GL=osmesa."
        )
    return Finding("OpenGL", True, f"camera images render ({platform_library})")


def _check_display() -> Finding:
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return Finding("Display", False, "no display", "The window needs one; the command line works without.")
    return Finding("Display", True, os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") or "native")


def _check_torch() -> Finding:
    try:
        from vinn_core.torch_setup import choose_device, torch
    except ImportError as error:
        return Finding("PyTorch", False, str(error), "Install torch and torchvision together from the package index.")
    return Finding("PyTorch", True, f"{torch.__version__}, trains on {choose_device()}")


def _check_weights() -> Finding:
    from vinn_core.config import EncoderConfig

    try:
        from vinn_core.encoder import create_encoder

        encoder = create_encoder(EncoderConfig(), seed=0)
    except (VinnError, ImportError) as error:
        return Finding("Encoder weights", False, str(error), "Reinstall, or train with --weights random.")
    return Finding("Encoder weights", True, encoder.weights_origin)


def _check_disk(folder: Path) -> Finding:
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    found = f"{free / 1024**3:.1f} GB free at {folder}"
    if free < _LITTLE_DISK:
        return Finding("Disk", False, found, "Free some space: 100 episodes need about 0.2 GB, an encoder 0.1 GB.")
    return Finding("Disk", True, found)

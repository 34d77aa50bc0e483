"""What this machine offers: OpenGL, display, torch device, encoder weights, disk. Explains what is missing."""

from __future__ import annotations

import os
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path

from vinn_core.cli.virtual_display import display_problem
from vinn_core.config import JsonRecord
from vinn_core.errors import VinnError

_LITTLE_DISK = 2 * 1024**3


@dataclass(frozen=True)
class Finding(JsonRecord):
    """One checked thing.

    Attributes:
        name: of the thing.
        ok: whether it is as it should be.
        found: what was found.
        cure: what to do when it is not ok.
    """

    name: str
    ok: bool
    found: str
    cure: str = ""


@dataclass(frozen=True)
class MachineReport(JsonRecord):
    """What this machine offers.

    Attributes:
        ok: whether everything is as it should be.
        python: its version.
        platform: name and version of the system.
        findings: each checked thing.
    """

    ok: bool
    python: str
    platform: str
    findings: tuple[Finding, ...]

    def in_words(self) -> str:
        """A line for each finding."""
        return "\n".join(
            f"{'ok  ' if each.ok else 'MISS'} {each.name}: {each.found}{'  -> ' + each.cure if each.cure else ''}"
            for each in self.findings
        )


def examine(folder: Path) -> MachineReport:
    """Check everything; never raises. `folder` is where workspaces would be written."""
    findings = (_check_rendering(), _check_display(), _check_torch(), _check_weights(), _check_disk(folder))
    return MachineReport(
        all(finding.ok for finding in findings), platform.python_version(), platform.platform(), findings
    )


def _check_rendering() -> Finding:
    from vinn_core.world.rendering import CameraRenderer, opengl_backend
    from vinn_core.world.simulation import Simulation
    from vinn_core.world.tasks import load_task

    try:
        simulation = Simulation(load_task("lift"))
        with CameraRenderer(simulation.model, 96, 96) as renderer:
            picture = renderer.render(simulation.data, "wrist")
    except VinnError as error:
        return Finding("OpenGL", False, str(error), "Install a graphics driver, or Mesa's software renderer.")
    if picture.std() < 1.0:
        return Finding(
            "OpenGL", False, "camera images are blank", "Update the graphics driver, or set MUJOCO_GL=osmesa."
        )
    return Finding("OpenGL", True, f"camera images render ({opengl_backend()})")


def _check_display() -> Finding:
    problem = display_problem()
    if problem is not None:
        return Finding("Display", False, problem, "The window needs one; the command line works without.")
    return Finding("Display", True, os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") or "native")


def _check_torch() -> Finding:
    try:
        from vinn_core.encoder.torch_setup import choose_device
        import torch  # isort: skip
    except ImportError as error:
        return Finding("PyTorch", False, str(error), "Install torch and torchvision together from the package index.")
    return Finding("PyTorch", True, f"{torch.__version__}, trains on {choose_device()}")


def _check_weights() -> Finding:
    from vinn_core.config import EncoderConfig

    try:
        from vinn_core.encoder.network import create_encoder

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

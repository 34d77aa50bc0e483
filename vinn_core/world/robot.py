"""The arm: the names of its parts in every scene, its constants, and scenes loaded so that they have all its parts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import mujoco

from vinn_core.errors import SceneError

SCENES_FOLDER = Path(__file__).resolve().parents[2] / "resources" / "scenes"

ARM_JOINTS = tuple(f"joint{number}" for number in range(1, 7))
FINGER_JOINTS = ("finger_left", "finger_right")
FINGER_STROKE = 0.035
"""Travel of each finger [m]; the gripper's stroke is twice that."""
END_EFFECTOR_SITE = "end_effector"
WRIST_CAMERA = "wrist"
HOME_JOINTS = (0.0, 0.2, 1.2, 0.0, 1.0, 0.0)
"""Joint angles [rad] with the gripper pointing straight down."""
MAX_LINEAR_SPEED = 0.30
"""The end effector is moved no faster than this [m/s]."""
MAX_ANGULAR_SPEED = 1.8
"""Likewise turned [rad/s]."""


def load_scene(path: Path) -> mujoco.MjSpec:
    """The MJCF at `path`, editable. Raises SceneError when it cannot be read or lacks a part the arm needs."""
    try:
        spec = mujoco.MjSpec.from_file(str(path))
        spec.compile()
    except (ValueError, OSError) as error:
        reason = " ".join(str(error).split())
        raise SceneError(
            f"The scene {path.name} cannot be loaded: {reason}. Correct the MJCF file and try again."
        ) from error
    _require_parts(path, "joint", ARM_JOINTS + FINGER_JOINTS, present=[joint.name for joint in spec.joints])
    _require_parts(path, "site", (END_EFFECTOR_SITE,), present=[site.name for site in spec.sites])
    _require_parts(path, "camera", (WRIST_CAMERA,), present=[camera.name for camera in spec.cameras])
    return spec


def _require_parts(path: Path, kind: str, wanted: Sequence[str], *, present: Sequence[str]) -> None:
    for name in wanted:
        if name not in present:
            raise SceneError(f"the scene {path.name} has no {kind} {name!r}; it has: {', '.join(present)}.")

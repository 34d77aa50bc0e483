"""Scene and Task: an MJCF with named parts, a seeded reset, an appearance, a success test and a scripted expert."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import mujoco
import numpy as np
from numpy.typing import NDArray

from vinn_core.episode import Action
from vinn_core.errors import SceneError

SCENES_FOLDER = Path(__file__).resolve().parent.parent / "resources" / "scenes"

RESET_STREAM = 0
"""Second word of the random seed of a reset."""
ARM_JOINTS = tuple(f"joint{number}" for number in range(1, 7))
FINGER_JOINTS = ("finger_left", "finger_right")
FINGER_STROKE = 0.035
"""Travel of each finger [m]; the gripper's stroke is twice that."""
END_EFFECTOR_SITE = "end_effector"
HOME_JOINTS = (0.0, 0.2, 1.2, 0.0, 1.0, 0.0)
"""Joint angles [rad] with the gripper pointing straight down."""


@dataclass(frozen=True, eq=False)
class ResetPose:
    """What a seeded reset decides.

    Attributes:
        ee_position: (3,) [m], end effector in the world frame. ee_quaternion: (4,) wxyz.
        objects: free joint name -> (7,) position [m] and quaternion wxyz in the world frame.
        kept_clear: discs on the table, x, y and radius [m], in which the look puts nothing.
    """

    ee_position: NDArray[np.float64]
    ee_quaternion: NDArray[np.float64]
    objects: dict[str, NDArray[np.float64]]
    kept_clear: tuple[tuple[float, float, float], ...]


class Expert(Protocol):
    """A scripted policy that reads the true state of the simulation."""

    def reset(self) -> None: ...

    def act(self, model: mujoco.MjModel, data: mujoco.MjData) -> Action: ...


class Task(Protocol):
    """One thing to teach.

    Attributes:
        name: as in workspace.json. title: for people. scene_file: MJCF in resources/scenes.
        time_limit_s: an autonomous run that takes longer has failed. hint: how a person does it, one sentence.
    """

    name: str
    title: str
    scene_file: str
    time_limit_s: float
    hint: str

    def sample_reset(self, random: np.random.Generator) -> ResetPose: ...

    def succeeded(self, model: mujoco.MjModel, data: mujoco.MjData) -> bool: ...

    def expert(self) -> Expert: ...


def load_task(name: str) -> Task:
    """The task of that name. Raises SceneError naming the known ones."""
    from vinn_core.tasks import TASKS

    if name not in TASKS:
        raise SceneError(f"no task {name!r}; known tasks: {', '.join(TASKS)}.")
    return TASKS[name]()


def load_scene(path: Path) -> mujoco.MjSpec:
    """The MJCF at `path`, editable. Raises SceneError when it cannot be read or lacks a part the arm needs."""
    try:
        spec = mujoco.MjSpec.from_file(str(path))
        model = spec.compile()
    except (ValueError, OSError) as error:
        reason = " ".join(str(error).split())
        raise SceneError(
            f"The scene {path.name} cannot be loaded: {reason}. Correct the MJCF file and try again."
        ) from error
    for kind, names in (("joint", ARM_JOINTS + FINGER_JOINTS), ("site", (END_EFFECTOR_SITE,)), ("camera", ("wrist",))):
        kind_id = getattr(mujoco.mjtObj, f"mjOBJ_{kind.upper()}")
        for name in names:
            if mujoco.mj_name2id(model, kind_id, name) < 0:
                present = [
                    mujoco.mj_id2name(model, kind_id, i)
                    for i in range(
                        getattr(
                            model, f"n{kind[:3]}" if kind in ("camera",) else {"joint": "njnt", "site": "nsite"}[kind]
                        )
                    )
                ]
                raise SceneError(
                    f"the scene {path.name} has no {kind} {name!r}; it has: {', '.join(map(str, present))}."
                )
    return spec

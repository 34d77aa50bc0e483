"""The simulated world of one task: seeded resets, exact control ticks, states that bring back a moment."""

from __future__ import annotations

import mujoco
import numpy as np
from numpy.typing import NDArray

from vinn_core.episodes.episode import Action
from vinn_core.errors import SceneError
from vinn_core.world.appearance import Appearance, scene_xml
from vinn_core.world.control import ArmControl, limit_twist
from vinn_core.world.random_streams import Stream, random_of
from vinn_core.world.robot import ARM_JOINTS, END_EFFECTOR_SITE, FINGER_JOINTS, FINGER_STROKE, SCENES_FOLDER, load_scene
from vinn_core.world.task import Disc, ResetPose, Task

_CONTROL_STEP_S = 0.02
"""Joint targets are renewed this often within a control tick [s]."""
_RESET_TRIES = 100


class Simulation:
    """Owns one MjModel and MjData. Not thread-safe: the thread that uses it makes it.

    Args:
        task: what is to be done.
        look: one of `vinn_core.config.LOOKS`.
        control_hz: control rate [1/s]; one `step` is one tick.
    """

    def __init__(self, task: Task, look: str = "none", control_hz: float = 10.0) -> None:
        self.task = task
        self.look = look
        self.seed = 0
        self._spec = load_scene(SCENES_FOLDER / task.scene_file)
        self.model = self._spec.compile()
        self.data = mujoco.MjData(self.model)
        self._appearance = Appearance(self.model)
        self._control = ArmControl()
        self._physics_steps = round(_CONTROL_STEP_S / self.model.opt.timestep)
        self._control_steps = round(1.0 / control_hz / _CONTROL_STEP_S)
        self._arm_qpos = np.array([self.model.joint(name).qposadr[0] for name in ARM_JOINTS])
        self._finger_qpos = np.array([self.model.joint(name).qposadr[0] for name in FINGER_JOINTS])
        self._arm_actuators = np.array([self.model.actuator(name).id for name in ARM_JOINTS])
        self._finger_actuators = np.array([self.model.actuator(name).id for name in FINGER_JOINTS])
        self._site = self.model.site(END_EFFECTOR_SITE).id
        self.kept_clear: tuple[Disc, ...] = ()
        """Where the present look has put nothing, see `ResetPose`."""
        self.perturb: mujoco.MjvPerturb | None = None
        """A push by mouse, applied during every physics step while set."""
        self.reset(0)

    @property
    def state_size(self) -> int:
        """S: time, qpos and qvel."""
        return 1 + self.model.nq + self.model.nv

    def reset(self, seed: int, look: str | None = None) -> None:
        """Start afresh: the pose of arm and objects and the look depend on `seed` alone.

        Raises:
            SceneError: no reachable start pose was found.
        """
        self.seed = seed
        self.look = self.look if look is None else look
        mujoco.mj_resetData(self.model, self.data)
        self.perturb = None
        pose = self._reachable_reset(seed)
        self.kept_clear = pose.kept_clear
        self._appearance.apply(self.look, seed, self.kept_clear)
        self.data.qpos[self._arm_qpos] = self._control.joints
        self.data.qpos[self._finger_qpos] = FINGER_STROKE
        for joint, placement in pose.objects.items():
            address = self.model.joint(joint).qposadr[0]
            self.data.qpos[address : address + 7] = placement
        self._restart_control(gripper=1.0)

    def _reachable_reset(self, seed: int) -> ResetPose:
        """The first that the arm can take; the arm is commanded there."""
        random = random_of(seed, Stream.RESET)
        for _ in range(_RESET_TRIES):
            pose = self.task.sample_reset(random)
            if self._control.solve(pose.ee_position, pose.ee_quaternion):
                return pose
        raise SceneError(f"the task {self.task.name} finds no reachable start pose for seed {seed}; try another seed.")

    def state(self) -> NDArray[np.float64]:
        """(S,) float64: simulation time [s], qpos, qvel."""
        return np.concatenate(([self.data.time], self.data.qpos, self.data.qvel))

    def set_state(self, state: NDArray[np.float64]) -> None:
        """Go to a recorded state (S,); the arm then holds still there."""
        self._require_fitting(state)
        mujoco.mj_resetData(self.model, self.data)
        self._write_state(state)
        self._control.set_joints(self.data.qpos[self._arm_qpos])
        self._restart_control(gripper=1.0 if self.gripper_opening > 0.9 else 0.0)

    def _require_fitting(self, state: NDArray[np.float64]) -> None:
        if state.shape != (self.state_size,):
            raise SceneError(
                f"a state of {state.shape[0]} numbers does not fit this scene, whose states have {self.state_size}; "
                "the episode was recorded in another scene."
            )

    def _write_state(self, state: NDArray[np.float64]) -> None:
        self.data.time = state[0]
        self.data.qpos[:] = state[1 : 1 + self.model.nq]
        self.data.qvel[:] = state[1 + self.model.nq :]

    def _restart_control(self, gripper: float) -> None:
        self.data.ctrl[self._arm_actuators] = self._control.joints
        self.data.ctrl[self._finger_actuators] = gripper * FINGER_STROKE
        mujoco.mj_forward(self.model, self.data)

    def step(self, action: Action) -> Action:
        """Apply `action` for exactly one control tick.

        Returns:
            What was applied: `action` within the speeds and the gripper's range. Applied again, it does the same.
        """
        applied = Action(limit_twist(action.twist), float(np.clip(action.gripper, 0.0, 1.0)))
        twist = applied.twist
        start = self._control.pose()
        self.data.ctrl[self._finger_actuators] = applied.gripper * FINGER_STROKE
        for number in range(1, self._control_steps + 1):
            if twist.any():
                self._control.follow(start, twist, number * _CONTROL_STEP_S, step_s=_CONTROL_STEP_S)
            self._control.hold_near(self.data.qpos[self._arm_qpos])
            self.data.ctrl[self._arm_actuators] = self._control.joints
            for _ in range(self._physics_steps):
                if self.perturb is not None:
                    self.data.xfrc_applied[:] = 0.0
                    mujoco.mjv_applyPerturbForce(self.model, self.data, self.perturb)
                mujoco.mj_step(self.model, self.data)
        if self.perturb is not None:
            self.data.xfrc_applied[:] = 0.0
        mujoco.mj_forward(self.model, self.data)  # positions of bodies and cameras belong to the new state
        return applied

    def step_to(self, action: Action, state: NDArray[np.float64]) -> Action:
        """Go on to the recorded state (S,) that `action` led to; returns what was applied, as `step` does.

        Unlike `set_state`, what the arm is commanded to do goes on as it did, so that the next `step` does too.
        """
        self._require_fitting(state)
        applied = self.step(action)
        self._write_state(state)
        mujoco.mj_forward(self.model, self.data)
        return applied

    @property
    def ee_position(self) -> NDArray[np.float64]:
        """(3,) [m], measured end effector in the world frame."""
        return self.data.site_xpos[self._site].copy()

    @property
    def ee_rotation(self) -> NDArray[np.float64]:
        """(3, 3), measured end-effector frame in the world frame."""
        return self.data.site_xmat[self._site].reshape(3, 3).copy()

    @property
    def ee_quaternion(self) -> NDArray[np.float64]:
        """(4,) wxyz, measured end effector in the world frame, w >= 0."""
        quaternion = np.empty(4)
        mujoco.mju_mat2Quat(quaternion, self.data.site_xmat[self._site])
        return quaternion if quaternion[0] >= 0 else -quaternion

    @property
    def gripper_opening(self) -> float:
        """Measured opening as a fraction of the stroke, in [0, 1]; 1 is open."""
        return float(np.clip(self.data.qpos[self._finger_qpos].mean() / FINGER_STROKE, 0.0, 1.0))

    def succeeded(self) -> bool:
        """Whether the task is solved in the present state."""
        return self.task.succeeded(self.model, self.data)

    def scene_xml(self) -> str:
        """The compiled MJCF as text, in its present look."""
        return scene_xml(self._spec, self.model)

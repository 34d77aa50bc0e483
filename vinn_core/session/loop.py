"""The control loop: one `tick` observes, decides, records, applies and publishes. The same code live and headless."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from time import perf_counter
from typing import Any, Self

from vinn_core.config import WorkspaceConfig
from vinn_core.episodes.episode import Action, EpisodeInfo, Observation, Source
from vinn_core.errors import VinnError
from vinn_core.session.messages import (
    AutonomousEnded,
    AutonomousStarted,
    Command,
    CommandRefused,
    DiscardRecording,
    Event,
    Mode,
    RecordingStarted,
    ReplayFinished,
    ReplayStatus,
    ResetScene,
    RunEnd,
    SceneReset,
    SetPerturb,
    SetPolicy,
    Snapshot,
    StartAutonomous,
    StartRecording,
    StartReplay,
    StopAutonomous,
    StopRecording,
    StopReplay,
    TaskSucceeded,
    TickTimings,
)
from vinn_core.session.policy import Decision, Policy
from vinn_core.session.recording import Recording, StepRecorder
from vinn_core.session.replay import Replay
from vinn_core.session.teleop import Teleop, TeleopInput
from vinn_core.world.rendering import CameraRenderer
from vinn_core.world.simulation import Simulation
from vinn_core.world.task import Task
from vinn_core.world.tasks import load_task

Disturbance = Callable[[Action], Action]
"""Turns the clean action, which is recorded, into the one that is executed."""


class Session:
    """One simulation, one control loop. Made, used and closed by one thread.

    Args:
        task: what is to be done.
        look: one of `vinn_core.config.LOOKS`.
        cameras: rendered each tick; without any, no OpenGL is needed.
        image_size: height and width of the camera images [pixel].
        control_hz: control rate [1/s].
        seed: of the first reset.
        on_event: receives each event, in order, in the session's thread.
        make_recorder: makes the recorder of a new episode; None when nothing will be recorded.
        disturbance: see `Disturbance`; applied in autonomous mode only.

    Raises:
        SceneError, RenderingError: the scene or the OpenGL context is not to be had.
    """

    def __init__(
        self,
        task: Task,
        *,
        look: str = "none",
        cameras: Sequence[str] = ("wrist", "front"),
        image_size: int = 96,
        control_hz: float = 10.0,
        seed: int = 0,
        on_event: Callable[[Event], None] = lambda event: None,
        make_recorder: Callable[[EpisodeInfo], StepRecorder] | None = None,
        disturbance: Disturbance | None = None,
    ) -> None:
        self.simulation = Simulation(task, look, control_hz)
        self.teleop_input = TeleopInput()
        """What the person holds; replaced as a whole, from any thread. After a reset, a policy or a replay the session
        sets its `gripper_open` to what the gripper is doing, so that a grasp is kept until the person lets go."""
        self._cameras = tuple(cameras)
        self._control_hz = control_hz
        self._renderer = CameraRenderer(self.simulation.model, image_size, image_size) if self._cameras else None
        self._on_event = on_event
        self._make_recorder = make_recorder
        self._disturbance = disturbance
        self._teleop = Teleop()
        self._policy: Policy | None = None
        self._policy_source = Source.AUTONOMOUS
        self._recording: Recording | None = None
        self._replay: Replay | None = None
        self._replay_number: int | None = None
        self._mode = Mode.IDLE
        self._tick = 0
        self._run_ticks = 0
        self._gripper = 1.0
        self._succeeded = False
        self._untouched = True
        self._at_start = True
        self._reset(seed, look)

    @classmethod
    def of(cls, config: WorkspaceConfig, **changes: Any) -> Self:
        """The session that a workspace asks for: its task, look, cameras and rates.

        Args:
            changes: further arguments, or others instead, as of the class.

        Raises:
            SceneError, RenderingError: see the class.
        """
        settings = {
            "look": config.look,
            "cameras": config.cameras,
            "image_size": config.image_size,
            "control_hz": config.control_hz,
        }
        return cls(load_task(config.task), **{**settings, **changes})

    @property
    def mode(self) -> Mode:
        """Who moves the arm."""
        return self._mode

    @property
    def control_hz(self) -> float:
        """Control rate [1/s]."""
        return self._control_hz

    @property
    def recording(self) -> bool:
        """Whether an episode is being recorded."""
        return self._recording is not None

    @property
    def at_start(self) -> bool:
        """Whether no tick has passed since the scene was put into a start state."""
        return self._at_start

    def close(self) -> None:
        """Discard nothing silently: an episode being recorded is finished first. Frees the OpenGL context."""
        if self._recording is not None:
            self._stop_recording(None)
        if self._renderer is not None:
            self._renderer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- commands ---------------------------------------------------------------------------------------------------

    def handle(self, command: Command) -> None:
        """Carry out a command between two ticks. What cannot be done becomes a CommandRefused event."""
        try:
            self._handle(command)
        except VinnError as error:
            self._on_event(CommandRefused(str(error)))

    def _handle(self, command: Command) -> None:
        match command:
            case ResetScene(seed, look):
                if self._recording is not None:
                    self._refuse("An episode is being recorded; save or discard it before resetting the scene.")
                    return
                self._end_run(RunEnd.STOPPED)
                self._reset(seed, look)
                self._on_event(SceneReset(seed, self.simulation.look))
            case StartRecording(operator):
                self._start_recording(operator)
            case StopRecording(success):
                self._stop_recording(success)
            case DiscardRecording():
                self._discard_recording()
            case StartReplay():
                self._start_replay(command)
            case StopReplay():
                if self._mode is Mode.REPLAY:
                    self._finish_replay()
            case SetPolicy(policy, source):
                self._end_run(RunEnd.STOPPED)
                self._policy, self._policy_source = policy, source
            case StartAutonomous():
                self._start_autonomous()
            case StopAutonomous():
                self._end_run(RunEnd.STOPPED)
            case SetPerturb(perturb):
                self.simulation.perturb = perturb
                self._untouched = self._untouched and perturb is None

    def _refuse(self, text: str) -> None:
        self._on_event(CommandRefused(text))

    def _reset(self, seed: int, look: str | None) -> None:
        self.simulation.reset(seed, look)
        self._mode = Mode.IDLE
        self._replay = None
        self._teleop.reset()
        self._gripper = 1.0
        self._keep_grasp()
        self._succeeded = False
        self._untouched = self._at_start = True
        self._observation = self._observe()

    def _start_recording(self, operator: str) -> None:
        if self._recording is not None:
            self._refuse("An episode is being recorded already; save or discard it first.")
            return
        if self._make_recorder is None:
            self._refuse("This session has no workspace to record into.")
            return
        if self._mode is Mode.REPLAY:
            self._refuse("A replay is running; stop it before recording.")
            return
        self._start_exactly()
        info = EpisodeInfo(
            task=self.simulation.task.name,
            look=self.simulation.look,
            seed=self.simulation.seed,
            control_hz=self._control_hz,
            source=Source.TELEOP,
            success=None,
            operator=operator,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            model_xml=self.simulation.scene_xml(),
        )
        self._recording = Recording(self._make_recorder(info))
        self._on_event(RecordingStarted(self.simulation.seed))

    def _stop_recording(self, success: bool | None) -> None:
        recording, self._recording = self._recording, None
        if recording is None:
            self._refuse("No episode is being recorded.")
        else:
            self._on_event(recording.finish(success))

    def _discard_recording(self) -> None:
        recording, self._recording = self._recording, None
        if recording is None:
            self._refuse("No episode is being recorded.")
        else:
            self._on_event(recording.discard())

    def _start_replay(self, command: StartReplay) -> None:
        if self._recording is not None:
            self._refuse("An episode is being recorded; save or discard it before replaying another.")
            return
        task = command.episode.info.task
        if task != self.simulation.task.name:
            what = "The rollout" if command.number is None else f"Episode {command.number}"
            self._refuse(f"{what} shows the task {task}; this scene is {self.simulation.task.name}.")
            return
        self._end_run(RunEnd.STOPPED)
        replay = Replay(command.episode, command.kind, command.neighbours)
        replay.begin(self.simulation)
        self._untouched, self._at_start = False, True
        self._succeeded = False
        self._replay, self._replay_number = replay, command.number
        self._mode = Mode.REPLAY
        self._observation = self._observe()

    def _finish_replay(self) -> None:
        assert self._replay is not None
        solved, self._replay = self._replay.solved, None
        self._mode = Mode.IDLE
        self._gripper = 1.0 if self.simulation.gripper_opening > 0.9 else 0.0
        self._keep_grasp()
        self._on_event(ReplayFinished(self._replay_number, solved))

    def _start_autonomous(self) -> None:
        if self._policy is None:
            self._refuse("There is no policy yet: record demonstrations, then train and index.")
            return
        if self._mode is Mode.REPLAY:
            self._finish_replay()
        self._start_exactly()
        self._policy.reset()
        self._run_ticks = 0
        self._mode = Mode.AUTONOMOUS
        self._on_event(AutonomousStarted(self.simulation.seed))

    def _end_run(self, reason: RunEnd) -> None:
        if self._mode is Mode.AUTONOMOUS:
            self._mode = Mode.IDLE
            self._keep_grasp()
            self._on_event(AutonomousEnded(reason, self._run_ticks))

    def _start_exactly(self) -> None:
        """Undo the settling since a reset that nobody has touched, so that the same seed gives the same trajectory."""
        if self._untouched and not self._at_start and self._mode is not Mode.AUTONOMOUS:
            self._reset(self.simulation.seed, None)

    def toggle_gripper(self) -> None:
        """Open a closed gripper, close an open one; takes over from a policy or a replay."""
        if self._mode in (Mode.AUTONOMOUS, Mode.REPLAY):
            self._take_over()
        self.teleop_input = replace(self.teleop_input, gripper_open=not self.teleop_input.gripper_open)

    def _keep_grasp(self) -> None:
        self.teleop_input = replace(self.teleop_input, gripper_open=self._gripper > 0.5)

    # --- the control tick -------------------------------------------------------------------------------------------

    def tick(self) -> Snapshot:
        """Advance by exactly one control tick."""
        started = perf_counter()
        before = self.simulation.state()
        decided_on = self._observation
        held = self.teleop_input
        if held.moves and self._mode in (Mode.AUTONOMOUS, Mode.REPLAY):
            self._take_over()

        source, action, wanted, decision = self._choose(held, decided_on)
        acted = perf_counter()

        applied = self.simulation.step(wanted) if self._replay is None else self._replay.advance(self.simulation)
        self._gripper = applied.gripper
        stepped = perf_counter()
        if self._recording is not None:
            self._recording.append(source, decided_on, action=action, executed_action=applied, state=before)

        self._observation = self._observe()
        self._at_start = False
        rendered = perf_counter()
        self._tick += 1
        self._notice_outcome()
        return Snapshot(
            tick=self._tick,
            mode=self._mode,
            look=self.simulation.look,
            seed=self.simulation.seed,
            kept_clear=self.simulation.kept_clear,
            elapsed_s=float(self.simulation.data.time),
            state=self.simulation.state(),
            previous_state=before,
            observation=self._observation,
            decided_on=decided_on,
            action=applied,
            decision=decision,
            recorded_frames=self._recording.frames if self._recording is not None else None,
            succeeded=self._succeeded,
            replay=self._replay_status(),
            timings=TickTimings(
                render_ms=(rendered - stepped) * 1e3,
                encode_ms=decision.encode_ms if decision else 0.0,
                search_ms=decision.search_ms if decision else 0.0,
                act_ms=(acted - started) * 1e3,
                physics_ms=(stepped - acted) * 1e3,
                total_ms=(rendered - started) * 1e3,
            ),
        )

    def _take_over(self) -> None:
        self._teleop.reset()
        if self._mode is Mode.REPLAY:
            self._finish_replay()
        else:
            self._end_run(RunEnd.TAKEN_OVER)

    def _choose(self, held: TeleopInput, observation: Observation) -> tuple[Source, Action, Action, Decision | None]:
        """Who acts, the action to record, the action to execute, and the policy's decision."""
        if self._replay is not None:
            action = self._replay.action
            return self._replay.recording.info.source, action, action, self._replay.decision
        if self._mode is Mode.AUTONOMOUS:
            assert self._policy is not None
            decision = self._policy.act(observation)
            executed = self._disturbance(decision.action) if self._disturbance else decision.action
            self._untouched = False
            return self._policy_source, decision.action, executed, decision
        action = self._teleop.act(self.teleop_input, self.simulation.ee_rotation)
        moves = self._teleop.moving or action.gripper != self._gripper
        self._mode = Mode.TELEOP if moves or held.moves else Mode.IDLE
        self._untouched = self._untouched and not moves and self._recording is None
        return Source.TELEOP, action, action, None

    def _notice_outcome(self) -> None:
        succeeded = self.simulation.succeeded()
        elapsed_s = float(self.simulation.data.time)
        if succeeded and not self._succeeded:
            self._on_event(TaskSucceeded(elapsed_s))
        self._succeeded = succeeded
        if self._recording is not None:
            self._recording.notice(succeeded)
        if self._mode is Mode.AUTONOMOUS:
            self._run_ticks += 1
            if succeeded:
                self._end_run(RunEnd.SUCCESS)
            elif self._run_ticks >= round(self.simulation.task.time_limit_s * self._control_hz):
                self._end_run(RunEnd.TIME_OUT)
        elif self._replay is not None and self._replay.finished:
            self._finish_replay()

    def _replay_status(self) -> ReplayStatus | None:
        if self._replay is None:
            return None
        return ReplayStatus(self._replay_number, self._replay.step, len(self._replay), self._replay.kind)

    def _observe(self) -> Observation:
        simulation = self.simulation
        return Observation(
            images=self._renderer.render_all(simulation.data, self._cameras) if self._renderer is not None else {},
            ee_position=simulation.ee_position,
            ee_quaternion=simulation.ee_quaternion,
            gripper_opening=simulation.gripper_opening,
            time=float(simulation.data.time),
        )

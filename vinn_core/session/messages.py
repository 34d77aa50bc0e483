"""What goes into a session and what comes out: commands, events (ordered, never lost), snapshots (newest wins)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import mujoco
import numpy as np
from numpy.typing import NDArray

from vinn_core.episodes.episode import Action, EpisodeInfo, Observation, Source
from vinn_core.session.policy import Decision, Neighbour, Policy
from vinn_core.world.task import Disc


class Mode(StrEnum):
    """Who moves the arm."""

    IDLE = "idle"
    TELEOP = "teleop"
    REPLAY = "replay"
    AUTONOMOUS = "autonomous"


class ReplayKind(StrEnum):
    """STATES sets the recorded simulation states; ACTIONS repeats the recorded actions open loop."""

    STATES = "states"
    ACTIONS = "actions"


class Replayable(Protocol):
    """What a replay needs of a recording: an `Episode`, or a `Rollout` of an evaluation.

    Its length is T. `states` is (T, S) float64, or (T + 1, S) with what the last action led to; `executed_actions` is
    (T, 7) float32.
    """

    @property
    def info(self) -> EpisodeInfo: ...

    @property
    def states(self) -> NDArray[np.float64]: ...

    @property
    def executed_actions(self) -> NDArray[np.float32]: ...

    def __len__(self) -> int: ...


# --- commands -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ResetScene:
    """Start afresh from `seed`, with `look` or the present one."""

    seed: int
    look: str | None = None


@dataclass(frozen=True)
class StartRecording:
    """Record from the next tick on. `operator` names the person."""

    operator: str = ""


@dataclass(frozen=True)
class StopRecording:
    """Finish the episode; `success` overrules what was detected, None keeps it."""

    success: bool | None = None


@dataclass(frozen=True)
class DiscardRecording:
    """Throw the episode being recorded away."""


@dataclass(frozen=True, eq=False)
class StartReplay:
    """Play a recording in the scene.

    Attributes:
        number: its episode number; None when it is no episode.
        neighbours: what each action came from, where that is known; the snapshots then carry it as the decision.
    """

    episode: Replayable
    number: int | None
    kind: ReplayKind = ReplayKind.STATES
    neighbours: Sequence[Sequence[Neighbour]] = ()


@dataclass(frozen=True)
class StopReplay:
    """Stop playing and stay where it is."""


@dataclass(frozen=True, eq=False)
class SetPolicy:
    """The policy for the next autonomous run; None takes it away. `source` is noted in recorded episodes."""

    policy: Policy | None
    source: Source = Source.AUTONOMOUS


@dataclass(frozen=True)
class StartAutonomous:
    """Hand the arm to the policy. Right after a reset, the run starts from exactly the reset state."""


@dataclass(frozen=True)
class StopAutonomous:
    """Take the arm back and hold still."""


@dataclass(frozen=True, eq=False)
class SetPerturb:
    """Push a body by mouse (MuJoCo's perturbation) until None is set."""

    perturb: mujoco.MjvPerturb | None


Command = (
    ResetScene
    | StartRecording
    | StopRecording
    | DiscardRecording
    | StartReplay
    | StopReplay
    | SetPolicy
    | StartAutonomous
    | StopAutonomous
    | SetPerturb
)


# --- events ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SceneReset:
    """The scene is at the start of `seed`, in `look`."""

    seed: int
    look: str


@dataclass(frozen=True)
class RecordingStarted:
    """An episode is recorded from the next tick on; `seed` is that of the scene."""

    seed: int


@dataclass(frozen=True, eq=False)
class RecordingFinished:
    """`recording` is what `Recorder.finish` returned: hand it to the episode writer."""

    recording: object
    frames: int
    success: bool | None


@dataclass(frozen=True)
class RecordingDiscarded:
    """An episode of so many frames was thrown away."""

    frames: int


@dataclass(frozen=True)
class ReplayFinished:
    """`number` is that of StartReplay; `success` tells whether the task was solved at any moment of the replay."""

    number: int | None
    success: bool


@dataclass(frozen=True)
class TaskSucceeded:
    """The task's success test became true, `elapsed_s` after the reset."""

    elapsed_s: float


class RunEnd(StrEnum):
    """Why an autonomous run ended."""

    SUCCESS = "success"
    TIME_OUT = "time-out"
    TAKEN_OVER = "taken over"
    STOPPED = "stopped"


@dataclass(frozen=True)
class AutonomousStarted:
    """The policy has the arm; `seed` is that of the scene."""

    seed: int


@dataclass(frozen=True)
class AutonomousEnded:
    """The policy has the arm no more, after so many ticks."""

    reason: RunEnd
    ticks: int


@dataclass(frozen=True)
class CommandRefused:
    """A command could not be carried out; `text` says why and what to do."""

    text: str


Event = (
    SceneReset
    | RecordingStarted
    | RecordingFinished
    | RecordingDiscarded
    | ReplayFinished
    | TaskSucceeded
    | AutonomousStarted
    | AutonomousEnded
    | CommandRefused
)


# --- snapshot -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TickTimings:
    """Where one control tick's time went [ms]; `act` is the whole decision, encode and search included."""

    render_ms: float = 0.0
    encode_ms: float = 0.0
    search_ms: float = 0.0
    act_ms: float = 0.0
    physics_ms: float = 0.0
    total_ms: float = 0.0


@dataclass(frozen=True)
class ReplayStatus:
    """The replay's place: `step` of `length`; `number` is that of StartReplay."""

    number: int | None
    step: int
    length: int
    kind: ReplayKind


@dataclass(frozen=True, eq=False)
class Snapshot:
    """The state of a session after one control tick.

    Attributes:
        tick: control ticks since the session began.
        mode: who moves the arm.
        look: of the last reset.
        seed: of the last reset.
        kept_clear: where that reset has put nothing for the look, see `ResetPose`.
        elapsed_s: simulation time since the reset [s].
        state: (S,) float64, after the tick.
        previous_state: (S,) float64, before it; the viewport draws the motion between the two.
        observation: what is seen in `state`.
        decided_on: what was seen in `previous_state`, on which `action` was decided.
        action: what was applied.
        decision: the policy's; None unless autonomous, or replaying what one had decided.
        recorded_frames: frames of the episode being recorded, None when not recording.
        succeeded: whether the task is solved in `state`.
        replay: the replay's place, None unless replaying.
        timings: where the tick's time went.
    """

    tick: int
    mode: Mode
    look: str
    seed: int
    kept_clear: tuple[Disc, ...]
    elapsed_s: float
    state: NDArray[np.float64]
    previous_state: NDArray[np.float64]
    observation: Observation
    decided_on: Observation
    action: Action
    decision: Decision | None
    recorded_frames: int | None
    succeeded: bool
    replay: ReplayStatus | None
    timings: TickTimings

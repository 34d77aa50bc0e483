"""The control loop: commands in, ordered events and snapshots out; the same seed gives the same run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import mujoco
import numpy as np
import pytest
from numpy.typing import NDArray

from vinn_core.config import WorkspaceConfig
from vinn_core.episodes.episode import Action, Episode, EpisodeBuffer, Observation, Source
from vinn_core.rollouts.expert import ExpertPolicy, NoiseInjection
from vinn_core.session.loop import Session
from vinn_core.session.messages import (
    AutonomousEnded,
    AutonomousStarted,
    Command,
    CommandRefused,
    DiscardRecording,
    Event,
    Mode,
    RecordingDiscarded,
    RecordingFinished,
    RecordingStarted,
    ReplayFinished,
    ReplayKind,
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
)
from vinn_core.session.policy import Decision
from vinn_core.session.teleop import Move, TeleopInput
from vinn_core.world.robot import MAX_LINEAR_SPEED
from vinn_core.world.tasks import load_task

UP = TeleopInput(frozenset({Move.UP}))


class Bench:
    """A session without cameras, and what it has told."""

    def __init__(self, **options: Any) -> None:
        self.events: list[Event] = []
        options = {"cameras": (), "image_size": 32, "make_recorder": EpisodeBuffer, **options}
        self.session = Session(load_task("lift"), on_event=self.events.append, **options)

    def do(self, *commands: Command) -> None:
        for command in commands:
            self.session.handle(command)

    def ticks(self, count: int) -> list[Snapshot]:
        return [self.session.tick() for _ in range(count)]

    def take_expert(self) -> None:
        self.do(SetPolicy(ExpertPolicy(self.session.simulation), Source.EXPERT))

    def run(self) -> NDArray[np.float64]:
        """Hand over to the policy; the states from the start to the end of the run."""
        self.do(StartAutonomous())
        states = [self.session.simulation.state()]
        while self.session.mode is Mode.AUTONOMOUS:
            states.append(self.session.tick().state)
        return np.stack(states)

    def hold(self, held: TeleopInput) -> None:
        self.session.teleop_input = held

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def refusal(self) -> str:
        event = self.events[-1]
        assert isinstance(event, CommandRefused)
        return event.text

    @property
    def episode(self) -> Episode:
        return self.of(RecordingFinished)[-1].recording


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.session.close()


class HoldStill:
    """A policy that closes the gripper and waits."""

    cameras: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.resets = 0

    def reset(self) -> None:
        self.resets += 1

    def act(self, observation: Observation) -> Decision:
        return Decision(Action.hold(0.0))


# --- the same seed, the same run ------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_states_bit_for_bit(bench: Bench) -> None:
    bench.take_expert()
    bench.do(ResetScene(3))
    first = bench.run()
    bench.do(ResetScene(4))
    bench.run()
    bench.do(ResetScene(3))
    np.testing.assert_array_equal(bench.run(), first)


def test_waiting_before_the_start_does_not_change_the_run(bench: Bench) -> None:
    bench.take_expert()
    bench.do(ResetScene(3))
    at_once = bench.run()
    bench.do(ResetScene(3))
    bench.ticks(7)
    np.testing.assert_array_equal(bench.run(), at_once)


def test_recording_a_run_does_not_change_it(bench: Bench) -> None:
    bench.take_expert()
    bench.do(ResetScene(3))
    unrecorded = bench.run()
    bench.do(ResetScene(3))
    bench.ticks(2)
    bench.do(StartRecording())
    np.testing.assert_array_equal(bench.run(), unrecorded)


def test_cameras_do_not_change_the_run(bench: Bench) -> None:
    bench.take_expert()
    bench.do(ResetScene(3))
    blind = bench.run()
    seeing = Bench(cameras=("wrist",), look="varied")
    with seeing.session:
        seeing.take_expert()
        seeing.do(ResetScene(3))
        np.testing.assert_array_equal(seeing.run(), blind)


@pytest.mark.parametrize("touch", ["keys", "gripper", "mouse"])
def test_a_scene_that_was_touched_is_taken_as_it_is(bench: Bench, touch: str) -> None:
    bench.do(SetPolicy(HoldStill()), ResetScene(3))
    if touch == "keys":
        bench.hold(UP)
    elif touch == "gripper":
        bench.session.toggle_gripper()
    else:
        bench.do(SetPerturb(mujoco.MjvPerturb()), SetPerturb(None))
    [*_, last] = bench.ticks(3)
    bench.hold(TeleopInput())
    bench.do(StartAutonomous())
    np.testing.assert_array_equal(bench.session.simulation.state(), last.state)


# --- ticks and snapshots --------------------------------------------------------------------------------------------


def test_snapshots_follow_one_another_tick_by_tick(bench: Bench) -> None:
    bench.hold(UP)
    snapshots = bench.ticks(4)
    assert [snapshot.tick for snapshot in snapshots] == [1, 2, 3, 4]
    assert [snapshot.elapsed_s for snapshot in snapshots] == pytest.approx([0.1, 0.2, 0.3, 0.4])
    for before, after in pairwise(snapshots):
        np.testing.assert_array_equal(after.previous_state, before.state)
        assert after.decided_on is before.observation
    assert snapshots[-1].observation.time == pytest.approx(0.4)


def test_a_snapshot_is_never_written_to_afterwards() -> None:
    bench = Bench(cameras=("wrist", "front"))
    with bench.session:
        bench.hold(UP)
        [snapshot] = bench.ticks(1)
        arrays = [
            snapshot.state,
            snapshot.previous_state,
            snapshot.action.twist,
            snapshot.observation.ee_position,
            *snapshot.observation.images.values(),
        ]
        kept = [array.copy() for array in arrays]
        bench.ticks(3)
        assert all(np.array_equal(array, copy) for array, copy in zip(arrays, kept, strict=True))


def test_the_mode_tells_who_moves_the_arm(bench: Bench) -> None:
    bench.take_expert()
    modes = [bench.ticks(1)[0].mode]
    bench.hold(UP)
    modes.append(bench.ticks(1)[0].mode)
    bench.hold(TeleopInput())
    modes.append(bench.ticks(1)[0].mode)
    bench.do(StartAutonomous())
    modes.append(bench.ticks(1)[0].mode)
    assert modes == [Mode.IDLE, Mode.TELEOP, Mode.IDLE, Mode.AUTONOMOUS]


def test_held_keys_move_the_arm_and_letting_go_stops_it(bench: Bench) -> None:
    height = bench.session.simulation.ee_position[2]
    bench.hold(UP)
    bench.ticks(4)
    risen = bench.session.simulation.ee_position[2]
    assert risen - height > 0.02
    bench.hold(TeleopInput())
    assert not bench.ticks(1)[0].action.twist.any()


def test_a_reset_starts_the_seed_afresh_and_says_so(bench: Bench) -> None:
    bench.hold(UP)
    bench.ticks(3)
    bench.hold(TeleopInput())
    bench.do(ResetScene(5, "varied"))
    assert bench.events[-1] == SceneReset(5, "varied")
    [snapshot] = bench.ticks(1)
    assert (snapshot.seed, snapshot.look, snapshot.elapsed_s) == (5, "varied", pytest.approx(0.1))
    bench.do(ResetScene(6))
    assert bench.events[-1] == SceneReset(6, "varied")


# --- autonomous -----------------------------------------------------------------------------------------------------


def test_success_ends_the_run_and_is_told_once(bench: Bench) -> None:
    bench.take_expert()
    bench.do(ResetScene(0))
    states = bench.run()
    assert bench.events[-1] == AutonomousEnded(RunEnd.SUCCESS, len(states) - 1)
    assert bench.of(TaskSucceeded) == [TaskSucceeded(pytest.approx(0.1 * (len(states) - 1)))]
    snapshots = bench.ticks(3)
    assert all(snapshot.mode is Mode.IDLE and snapshot.succeeded for snapshot in snapshots), "the cube stays up"
    assert len(bench.of(TaskSucceeded)) == 1


def test_a_run_that_takes_too_long_ends(bench: Bench) -> None:
    bench.session.simulation.task.time_limit_s = 0.5
    bench.do(SetPolicy(HoldStill()))
    assert len(bench.run()) == 6
    assert bench.events[-1] == AutonomousEnded(RunEnd.TIME_OUT, 5)


def test_each_run_has_the_whole_time_limit(bench: Bench) -> None:
    bench.session.simulation.task.time_limit_s = 0.5
    policy = HoldStill()
    bench.do(SetPolicy(policy))
    assert [len(bench.run()) for _ in range(2)] == [6, 6]
    assert policy.resets == 2


def test_a_held_key_takes_over_within_the_tick(bench: Bench) -> None:
    bench.do(SetPolicy(HoldStill()), StartAutonomous())
    assert bench.events[-1] == AutonomousStarted(0)
    [driven] = bench.ticks(1)
    assert driven.decision is not None
    bench.hold(replace(bench.session.teleop_input, moves=UP.moves))
    [taken] = bench.ticks(1)
    assert bench.events[-1] == AutonomousEnded(RunEnd.TAKEN_OVER, 1)
    assert (taken.mode, taken.decision) == (Mode.TELEOP, None)
    assert taken.action.twist.any()


def test_whoever_takes_over_keeps_the_grasp_until_the_gripper_key(bench: Bench) -> None:
    bench.do(SetPolicy(HoldStill()), StartAutonomous())
    bench.ticks(3)
    bench.hold(replace(bench.session.teleop_input, moves=UP.moves))
    bench.ticks(1)
    bench.hold(replace(bench.session.teleop_input, moves=frozenset()))
    assert bench.ticks(2)[-1].action.gripper == 0.0
    bench.session.toggle_gripper()
    assert bench.ticks(1)[-1].action.gripper == 1.0


def test_the_gripper_key_takes_over(bench: Bench) -> None:
    bench.do(SetPolicy(HoldStill()), StartAutonomous())
    bench.ticks(2)
    bench.session.toggle_gripper()
    assert bench.events[-1] == AutonomousEnded(RunEnd.TAKEN_OVER, 2)
    assert bench.ticks(1)[-1].action.gripper == 1.0


def test_a_run_can_be_stopped_and_the_arm_holds_still(bench: Bench) -> None:
    bench.take_expert()
    bench.do(StartAutonomous())
    bench.ticks(2)
    bench.do(StopAutonomous())
    assert bench.events[-1] == AutonomousEnded(RunEnd.STOPPED, 2)
    [snapshot] = bench.ticks(1)
    assert snapshot.mode is Mode.IDLE
    assert not snapshot.action.twist.any()


@pytest.mark.parametrize("command", [ResetScene(1), SetPolicy(None)], ids=["reset", "policy taken away"])
def test_what_ends_a_run_says_so(bench: Bench, command: Command) -> None:
    bench.do(SetPolicy(HoldStill()), StartAutonomous())
    bench.ticks(2)
    bench.do(command)
    assert bench.of(AutonomousEnded) == [AutonomousEnded(RunEnd.STOPPED, 2)]
    assert bench.session.mode is Mode.IDLE


# --- recording ------------------------------------------------------------------------------------------------------


def test_a_recording_pairs_what_was_seen_with_what_was_done(bench: Bench) -> None:
    bench.take_expert()
    bench.do(ResetScene(3), StartRecording("Zoë"))
    assert bench.events[-1] == RecordingStarted(3)
    states = bench.run()
    bench.do(StopRecording())
    episode, frames = bench.episode, len(states) - 1
    [finished] = bench.of(RecordingFinished)
    assert (finished.frames, finished.success, len(episode)) == (frames, True, frames)
    np.testing.assert_array_equal(episode.states, states[:-1])
    np.testing.assert_array_equal(episode.times, episode.states[:, 0])
    np.testing.assert_allclose(np.diff(episode.times), 0.1)
    info = episode.info
    assert (info.task, info.look, info.seed, info.control_hz) == ("lift", "none", 3, 10.0)
    assert (info.source, info.success, info.operator) == (Source.EXPERT, True, "Zoë")
    assert info.created.endswith("+00:00")
    assert "<mujoco" in info.model_xml


def test_frames_are_counted_while_recording_and_only_then(bench: Bench) -> None:
    counts = [bench.ticks(1)[0].recorded_frames]
    bench.do(StartRecording())
    assert bench.session.recording
    counts += [snapshot.recorded_frames for snapshot in bench.ticks(3)]
    bench.do(StopRecording())
    assert not bench.session.recording
    counts.append(bench.ticks(1)[0].recorded_frames)
    assert counts == [None, 1, 2, 3, None]


@pytest.mark.parametrize("judgement", [None, True, False])
def test_the_person_overrules_what_was_detected(bench: Bench, judgement: bool | None) -> None:
    bench.do(StartRecording())
    bench.ticks(2)
    bench.do(StopRecording(judgement))
    assert bench.episode.info.success is bool(judgement), "nothing was lifted"


def test_a_success_counts_even_if_the_cube_is_put_down_again(bench: Bench) -> None:
    bench.take_expert()
    bench.do(StartRecording())
    bench.run()
    bench.session.toggle_gripper()
    assert not bench.ticks(10)[-1].succeeded
    bench.do(StopRecording())
    assert bench.episode.info.success is True


def test_a_policy_that_was_helped_is_a_correction(bench: Bench) -> None:
    bench.do(SetPolicy(HoldStill()), StartRecording(), StartAutonomous())
    bench.ticks(2)
    bench.hold(UP)
    bench.ticks(2)
    bench.do(StopRecording())
    assert bench.episode.info.source is Source.CORRECTION


def test_noise_is_executed_and_the_clean_action_recorded() -> None:
    noise = NoiseInjection(1.0)
    bench = Bench(disturbance=noise)
    with bench.session:
        bench.take_expert()
        bench.do(StartRecording(), StartAutonomous())
        snapshots = bench.ticks(5)
        bench.do(StopRecording())
    for step, snapshot in enumerate(snapshots):
        assert snapshot.decision is not None
        np.testing.assert_array_equal(bench.episode.actions[step], snapshot.decision.action.as_array())
        np.testing.assert_array_equal(bench.episode.executed_actions[step], snapshot.action.as_array())
    assert not np.array_equal(bench.episode.actions, bench.episode.executed_actions)


def test_what_is_recorded_as_executed_is_what_the_arm_was_allowed(bench: Bench) -> None:
    """Two keys at the fast level ask for more than the arm may do."""
    bench.do(StartRecording())
    bench.hold(TeleopInput(frozenset({Move.FORWARD, Move.LEFT}), speed=2))
    shown = bench.ticks(6)
    bench.do(StopRecording())
    asked, executed = bench.episode.actions, bench.episode.executed_actions
    assert np.linalg.norm(asked[-1, :3]) > 0.31
    assert np.linalg.norm(executed[:, :3], axis=1).max() == pytest.approx(MAX_LINEAR_SPEED, rel=1e-5)
    np.testing.assert_array_equal(executed, [snapshot.action.as_array() for snapshot in shown])
    recorded = bench.episode.states
    bench.do(StartReplay(bench.episode, 1, ReplayKind.ACTIONS))
    replayed = np.stack([snapshot.state for snapshot in bench.ticks(len(recorded))])
    np.testing.assert_array_equal(replayed[:-1], recorded[1:])  # done again, it leads to the same states


def test_a_session_without_cameras_needs_no_opengl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUJOCO_GL", "glfw")
    monkeypatch.delenv("DISPLAY", raising=False)
    with Session(load_task("lift"), cameras=()) as session:
        assert session.tick().observation.images == {}


def test_a_workspace_says_what_its_session_is(bench: Bench) -> None:
    config = WorkspaceConfig(task="push", look="varied", cameras=("front",), image_size=48)
    with Session.of(config, seed=4) as session:
        snapshot = session.tick()
    assert (session.simulation.task.name, snapshot.look, snapshot.seed) == ("push", "varied", 4)
    assert {name: image.shape for name, image in snapshot.observation.images.items()} == {"front": (48, 48, 3)}
    with Session.of(config, look="none", cameras=()) as session:
        assert session.tick().look == "none"


def test_a_recording_without_a_frame_is_none(bench: Bench) -> None:
    bench.do(StartRecording(), StopRecording())
    assert bench.events[-1] == RecordingDiscarded(0)


def test_a_discarded_recording_is_gone(bench: Bench) -> None:
    bench.do(StartRecording())
    bench.ticks(3)
    bench.do(DiscardRecording())
    assert bench.events[-1] == RecordingDiscarded(3)
    assert not bench.session.recording


def test_closing_finishes_the_recording() -> None:
    bench = Bench()
    bench.do(StartRecording())
    bench.ticks(3)
    bench.session.close()
    assert len(bench.episode) == 3


# --- replay ---------------------------------------------------------------------------------------------------------


def _recorded(bench: Bench, seed: int = 3) -> tuple[Episode, NDArray[np.float64]]:
    """A recording of the expert, and all of its states."""
    bench.take_expert()
    bench.do(ResetScene(seed), StartRecording())
    states = bench.run()
    bench.do(StopRecording(), ResetScene(9))
    return bench.episode, states


@pytest.mark.parametrize("kind", list(ReplayKind))
@pytest.mark.parametrize("noise", [0.0, 1.0], ids=["clean", "noise"])
def test_a_replay_repeats_the_recorded_states_bit_for_bit(kind: ReplayKind, noise: float) -> None:
    bench = Bench(disturbance=NoiseInjection(noise) if noise else None)
    with bench.session:
        episode, states = _recorded(bench)
        bench.do(StartReplay(episode, 8, kind))
        np.testing.assert_array_equal(bench.session.simulation.state(), states[0])
        snapshots = bench.ticks(len(episode))
        replayed = np.stack([snapshot.state for snapshot in snapshots])
    np.testing.assert_array_equal(replayed, states[1:])
    assert bench.of(ReplayFinished) == [ReplayFinished(8, True)]
    assert snapshots[0].replay == ReplayStatus(8, 1, len(episode), kind)
    assert (snapshots[0].mode, snapshots[-1].mode) == (Mode.REPLAY, Mode.IDLE)


def test_a_replay_shows_the_look_of_the_episode(bench: Bench) -> None:
    bench.do(ResetScene(5, "varied"))
    table = bench.session.simulation.model.mat_rgba.copy()
    episode, _ = _recorded(bench, 5)
    bench.do(ResetScene(1, "none"))
    assert not np.array_equal(bench.session.simulation.model.mat_rgba, table)
    bench.do(StartReplay(episode, 1))
    np.testing.assert_array_equal(bench.session.simulation.model.mat_rgba, table)


def test_a_replay_can_be_stopped_and_taken_over(bench: Bench) -> None:
    episode, _ = _recorded(bench)
    bench.do(StartReplay(episode, 1))
    bench.ticks(3)
    bench.do(StopReplay())
    assert bench.events[-1] == ReplayFinished(1, False)
    bench.do(StartReplay(episode, 2))
    bench.ticks(1)
    bench.hold(UP)
    assert bench.ticks(1)[0].mode is Mode.TELEOP
    assert bench.of(ReplayFinished)[-1] == ReplayFinished(2, False)


# --- refusals -------------------------------------------------------------------------------------------------------


def test_what_does_not_fit_the_moment_is_refused_with_a_way_out(bench: Bench) -> None:
    bench.do(StopRecording())
    assert bench.refusal == "No episode is being recorded."
    bench.do(DiscardRecording())
    assert bench.refusal == "No episode is being recorded."
    bench.do(StartAutonomous())
    assert "no policy yet: record demonstrations, then train and index" in bench.refusal

    episode, _ = _recorded(bench)
    bench.do(StartReplay(episode, 1), StartRecording())
    assert "A replay is running; stop it before recording" in bench.refusal
    bench.do(StopReplay(), StartRecording(), StartRecording())
    assert "being recorded already; save or discard it first" in bench.refusal
    bench.do(ResetScene(1))
    assert "save or discard it before resetting" in bench.refusal
    assert bench.session.simulation.seed != 1
    bench.do(StartReplay(episode, 1))
    assert "save or discard it before replaying" in bench.refusal
    assert bench.session.recording


def test_an_episode_of_another_task_or_scene_is_refused(bench: Bench) -> None:
    episode, _ = _recorded(bench)
    bench.do(StartReplay(replace(episode, info=replace(episode.info, task="door")), 4))
    assert bench.refusal == "Episode 4 shows the task door; this scene is lift."
    bench.do(StartReplay(replace(episode, states=episode.states[:, :5]), 4))
    assert "recorded in another scene" in bench.refusal
    assert bench.ticks(1)[0].mode is Mode.IDLE


def test_without_a_workspace_nothing_is_recorded() -> None:
    bench = Bench(make_recorder=None)
    with bench.session:
        bench.do(StartRecording())
        assert "no workspace to record into" in bench.refusal

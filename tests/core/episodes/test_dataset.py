"""Episodes on disk: equal to what was recorded, readable by robomimic's tools, never half written, never mixed up."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from episode_samples import CONFIG, SIZE, same_steps, sample_episode

from vinn_core.episodes.dataset import Dataset, save_episode
from vinn_core.episodes.episode import Episode, Source
from vinn_core.episodes.file import (
    encode_episode,
    fingerprint_of,
    load_episode,
    load_frame,
    load_frames,
    load_motion,
    read_summary,
)
from vinn_core.errors import DatasetError, WorkspaceError
from vinn_core.workspace import Workspace

ROOT = Path(__file__).resolve().parents[3]
SAMPLE = ROOT / "tests" / "data" / "sample_workspace"
SAVER = """
import sys
from pathlib import Path
sys.path.insert(0, "tests/core")
from episode_samples import sample_episode
from vinn_core.episodes.dataset import save_episode
first = int(sys.argv[2])
episodes = [sample_episode(first + n) for n in range(8)]
print("ready", flush=True)
sys.stdin.readline()
print(*(save_episode(Path(sys.argv[1]), episode) for episode in episodes))
"""


class Bench:
    """A workspace with three episodes of 4, 5 and 6 frames, numbered and seeded from 1."""

    def __init__(self, folder: Path) -> None:
        self.workspace = Workspace.open(folder, CONFIG)
        self.folder = self.workspace.episodes_folder
        self.dataset = Dataset(self.workspace)
        self.episodes = {number: sample_episode(number, length=3 + number) for number in (1, 2, 3)}
        for number, episode in self.episodes.items():
            assert save_episode(self.folder, episode) == number
        self.dataset.rewrite_master()

    @property
    def numbers(self) -> list[int]:
        return [summary.number for summary in self.dataset.summaries()]

    def path(self, number: int) -> Path:
        return self.folder / f"{number:06d}.hdf5"

    def linked(self) -> list[str]:
        with h5py.File(self.workspace.path / "dataset.hdf5", "r") as file:
            return sorted(file["data"])

    def leftovers(self) -> list[Path]:
        return [*self.folder.glob(".*.tmp"), *self.workspace.path.glob(".*.tmp")]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.mark.parametrize("success", [True, False, None])
@pytest.mark.parametrize("source", list(Source))
def test_a_loaded_episode_equals_the_saved_one_bit_for_bit(
    tmp_path: Path, success: bool | None, source: Source
) -> None:
    saved = sample_episode(7, success=success, source=source, model_xml="<mujoco>" + "é" * 100_000 + "</mujoco>")
    saved.ee_positions[0, 0] = np.nextafter(1.0, 2.0)
    saved.states[1] = [np.nan, -0.0, np.inf, *saved.states[1, 3:]]
    loaded = load_episode(tmp_path / f"{save_episode(tmp_path, saved):06d}.hdf5")
    assert asdict(loaded.info) == asdict(saved.info)
    assert same_steps(loaded, saved)


def test_motion_is_the_episode_without_its_images(tmp_path: Path) -> None:
    saved = sample_episode(3, length=4)
    motion = load_motion(tmp_path / f"{save_episode(tmp_path, saved):06d}.hdf5")
    assert same_steps(motion, replace(saved, images={}))
    assert asdict(motion.info) == asdict(saved.info)


def test_frames_are_read_without_the_rest(bench: Bench) -> None:
    wrist = bench.episodes[2].images["wrist"]
    np.testing.assert_array_equal(load_frames(bench.path(2), "wrist"), wrist)
    np.testing.assert_array_equal(load_frame(bench.path(2), "wrist", 3), wrist[3])
    np.testing.assert_array_equal(bench.dataset.thumbnail(2, "wrist"), wrist[2])
    with pytest.raises(DatasetError, match="no step 5 in 000002.hdf5; it has steps 0 to 4"):
        load_frame(bench.path(2), "wrist", 5)


def test_a_missing_camera_is_told_with_those_there_are(bench: Bench) -> None:
    with pytest.raises(DatasetError, match="no camera 'wrst' in 000001.hdf5; it has: front, wrist"):
        load_frames(bench.path(1), "wrst")


def test_a_summary_tells_the_facts(bench: Bench) -> None:
    summary = bench.dataset.summaries()[1]
    assert (summary.number, summary.length, summary.duration_s, summary.seed) == (2, 5, 0.5, 2)
    assert (summary.task, summary.look, summary.source, summary.success) == ("lift", "none", Source.TELEOP, True)
    assert (summary.operator, summary.created) == ("Zoë", "2026-03-01T10:00:00+00:00")
    assert (summary.cameras, summary.path) == (("front", "wrist"), bench.path(2))


def test_any_change_of_what_was_recorded_changes_the_fingerprint() -> None:
    episode = sample_episode(1)
    other_frames = episode.images | {"front": episode.images["front"] ^ 1}
    changed = [
        replace(episode, info=replace(episode.info, seed=2)),
        replace(episode, info=replace(episode.info, look="varied")),
        replace(episode, info=replace(episode.info, model_xml="<mujoco/>")),
        replace(episode, images=other_frames),
        replace(episode, images={"wrist": episode.images["wrist"]}),
        replace(episode, images={"wrist": episode.images["front"], "front": episode.images["wrist"]}),
        *(
            replace(episode, **{name: np.nextafter(getattr(episode, name), np.float32(9))})
            for name in ("ee_positions", "ee_quaternions", "gripper_openings", "times", "actions", "executed_actions")
        ),
        replace(episode, states=np.nextafter(episode.states, 9)),
    ]
    fingerprints = {fingerprint_of(one) for one in (episode, *changed)}
    assert len(fingerprints) == 1 + len(changed)
    judged = replace(episode, info=replace(episode.info, success=False, operator="Ann", created=""))
    assert fingerprint_of(judged) == fingerprint_of(sample_episode(1))


def test_the_fingerprint_of_the_dataset_follows_its_episodes_not_their_judgement(bench: Bench) -> None:
    before = bench.dataset.fingerprint()
    bench.dataset.set_success(1, False)
    assert bench.dataset.fingerprint() == before
    bench.dataset.delete([2])
    assert bench.dataset.fingerprint() != before
    bench.dataset.restore([2])
    assert bench.dataset.fingerprint() == before


def test_the_layout_is_that_of_robomimic(bench: Bench) -> None:
    episode = bench.episodes[3]
    with h5py.File(bench.path(3), "r") as file:
        data, demo = file["data"], file["data/demo_0"]
        assert data.attrs["total"] == demo.attrs["num_samples"] == 6
        assert json.loads(data.attrs["env_args"])["env_name"] == "lift"
        assert demo.attrs["model_file"] == episode.info.model_xml
        assert demo.attrs["success"] == 1
        assert demo.attrs["format_version"] == 1
        shapes = {"actions": (6, 7), "executed_actions": (6, 7), "states": (6, 10), "rewards": (6,), "dones": (6,)}
        assert {name: demo[name].shape for name in shapes} == shapes
        assert {name: demo["obs"][name].shape for name in demo["obs"]} == {
            "wrist_image": (6, SIZE, SIZE, 3),
            "front_image": (6, SIZE, SIZE, 3),
            "robot0_eef_pos": (6, 3),
            "robot0_eef_quat": (6, 4),
            "robot0_gripper_qpos": (6, 1),
            "timestamp": (6,),
        }
        assert demo["rewards"][()].tolist() == demo["dones"][()].tolist() == [0, 0, 0, 0, 0, 1]
        assert demo["obs/wrist_image"].chunks == (1, SIZE, SIZE, 3)
        assert demo["obs/wrist_image"].compression == "gzip"
        np.testing.assert_array_equal(demo["states"][()], episode.states)


def test_the_master_file_reads_as_one_robomimic_dataset(bench: Bench) -> None:
    bench.dataset.delete([2])
    with h5py.File(bench.workspace.path / "dataset.hdf5", "r") as file:
        demos = sorted(file["data"], key=lambda name: int(name[5:]))  # as robomimic's SequenceDataset does
        assert demos == ["demo_1", "demo_3"]
        assert file["data"].attrs["total"] == 10 == sum(file[f"data/{name}"].attrs["num_samples"] for name in demos)
        assert {"env_name", "type", "env_kwargs"} <= json.loads(file["data"].attrs["env_args"]).keys()
        for name, number in (("demo_1", 1), ("demo_3", 3)):
            np.testing.assert_array_equal(file[f"data/{name}/actions"][()], bench.episodes[number].actions)
            frames = file["data"][name]["obs/wrist_image"][()]
            np.testing.assert_array_equal(frames, bench.episodes[number].images["wrist"])


def test_a_moved_workspace_keeps_its_master_file_whole(bench: Bench, tmp_path: Path) -> None:
    moved = bench.workspace.path.rename(tmp_path.with_name(tmp_path.name + "-moved"))
    with h5py.File(moved / "dataset.hdf5", "r") as file:
        np.testing.assert_array_equal(file["data/demo_2/actions"][()], bench.episodes[2].actions)


def damage(change: Callable[[h5py.File], None]) -> Callable[[Path], None]:
    def apply(path: Path) -> None:
        with h5py.File(path, "r+") as file:
            change(file)

    return apply


def shortened(key: str) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        values = file[f"data/demo_0/{key}"][:-1]
        del file[f"data/demo_0/{key}"]
        file[f"data/demo_0/{key}"] = values

    return change


def foreign(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["measurements"] = np.arange(3)


def robomimic_of_others(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["data/demo_0/actions"] = np.zeros((3, 7))


def as_group(key: str) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        del file[f"data/demo_0/{key}"]
        file.create_group(f"data/demo_0/{key}")

    return change


def with_attribute(name: str, value: object) -> Callable[[h5py.File], None]:
    return lambda file: file["data/demo_0"].attrs.update({name: value})


DAMAGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "truncated": (lambda path: os.truncate(path, path.stat().st_size // 2), "truncated file"),
    "empty": (lambda path: os.truncate(path, 0), "damaged or foreign"),
    "text": (lambda path: path.write_text("not HDF5 at all") and None, "signature"),
    "foreign": (foreign, "HDF5 file of another program"),
    "other robomimic": (robomimic_of_others, "HDF5 file of another program"),
    "no actions": (damage(as_group("actions")), "actions is missing"),
    "no observations": (damage(as_group("obs")), "obs/robot0_eef_pos is missing"),
    "states too short": (damage(shortened("states")), r"states has the shape \(3, 10\)"),
    "images too short": (damage(shortened("obs/wrist_image")), "frames of camera wrist"),
    "no task": (damage(lambda file: file["data/demo_0"].attrs.__delitem__("task")), "task"),
    "odd source": (damage(with_attribute("source", "alien")), "'alien' is not a valid Source"),
    "newer": (damage(with_attribute("format_version", 99)), "newer than this program reads; update"),
    "odd version": (damage(with_attribute("format_version", "x")), "damaged or foreign"),
}


@pytest.mark.parametrize("name", list(DAMAGES))
def test_a_damaged_file_is_named_with_a_cure_and_does_not_hide_the_others(bench: Bench, name: str) -> None:
    assert bench.numbers == [1, 2, 3]
    apply, reason = DAMAGES[name]
    apply(bench.path(1))
    with pytest.raises(DatasetError, match=reason) as raised:
        bench.dataset.load(1)
    assert "000001.hdf5" in str(raised.value)
    assert "\n" not in str(raised.value)
    assert "move it out" in str(raised.value) or "update the program" in str(raised.value)
    assert bench.numbers == [2, 3]
    assert bench.dataset.damaged() == [(bench.path(1), str(raised.value))]
    content = bench.path(1).read_bytes()
    with pytest.raises(DatasetError):
        bench.dataset.set_success(1, True)
    assert bench.path(1).read_bytes() == content
    bench.dataset.rewrite_master()
    assert bench.linked() == ["demo_2", "demo_3"]


def test_pixels_that_cannot_be_unpacked_are_a_damage(bench: Bench) -> None:
    with h5py.File(bench.path(1), "r") as file:
        chunk = file["data/demo_0/obs/wrist_image"].id.get_chunk_info(2)
    with bench.path(1).open("r+b") as file:
        file.seek(chunk.byte_offset)
        file.write(b"\xff" * chunk.size)
    with pytest.raises(DatasetError, match="000001.hdf5 is damaged"):
        load_frames(bench.path(1), "wrist")


def test_a_file_of_another_name_is_told_and_left_alone(bench: Bench) -> None:
    shutil.copy(bench.path(1), bench.folder / "copy of 1.hdf5")
    assert bench.numbers == [1, 2, 3]
    [(path, sentence)] = bench.dataset.damaged()
    assert path.name == "copy of 1.hdf5"
    assert "is not an episode of this program" in sentence


def test_a_file_that_may_not_be_opened_is_not_called_damaged(bench: Bench) -> None:
    bench.path(1).unlink()
    bench.path(1).mkdir()  # the operating system refuses to read it
    with pytest.raises(DatasetError, match="cannot be read .*check the disk") as raised:
        bench.dataset.load(1)
    assert "damaged" not in str(raised.value)


def test_a_mended_file_is_listed_again(bench: Bench) -> None:
    content = bench.path(2).read_bytes()
    bench.path(2).write_bytes(content[:1000])
    assert bench.numbers == [1, 3]
    bench.path(2).write_bytes(content)
    assert bench.numbers == [1, 2, 3]


def test_an_episode_that_is_not_there_is_told_with_those_that_are(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no episode 9 in .*; there are 1 to 3"):
        bench.dataset.load(9)
    with pytest.raises(DatasetError, match="there are no episodes yet"):
        Dataset(Workspace.open(tmp_path / "empty")).load(1)


def test_an_empty_episode_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no frames"):
        save_episode(tmp_path, sample_episode(length=0))
    assert list(tmp_path.iterdir()) == []


def test_the_person_overrules_the_outcome_and_nothing_else_changes(bench: Bench) -> None:
    before = read_summary(bench.path(2))
    bench.dataset.set_success(2, False)
    assert bench.dataset.summaries()[1] == replace(before, success=False)
    assert same_steps(bench.dataset.load(2), bench.episodes[2])
    with h5py.File(bench.path(2), "r") as file:
        assert file["data/demo_0/rewards"][-1] == 0
    bench.dataset.set_success(2, None)
    assert bench.dataset.load(2).info.success is None
    assert bench.leftovers() == []


def test_deleted_episodes_come_back_as_they_were(bench: Bench) -> None:
    before = bench.dataset.summaries()
    bench.dataset.delete([1, 3])
    assert bench.numbers == [2]
    assert bench.linked() == ["demo_2"]
    bench.dataset.restore([1, 3])
    assert bench.dataset.summaries() == before
    assert bench.linked() == ["demo_1", "demo_2", "demo_3"]
    assert same_steps(bench.dataset.load(3), bench.episodes[3])


def test_a_new_episode_never_takes_the_place_of_a_deleted_one(bench: Bench) -> None:
    bench.dataset.delete([3])
    assert save_episode(bench.folder, sample_episode(4)) == 4
    bench.dataset.restore([3])
    assert bench.numbers == [1, 2, 3, 4]
    assert bench.dataset.load(3).info.seed == 3


def test_all_or_none_of_several_episodes_are_deleted_and_restored(bench: Bench) -> None:
    with pytest.raises(DatasetError, match="no episode 8"):
        bench.dataset.delete([1, 8])
    assert bench.numbers == [1, 2, 3]
    bench.dataset.delete([1, 2])
    bench.dataset.empty_trash()
    bench.dataset.delete([3])
    with pytest.raises(DatasetError, match="episode 1 is no longer in the trash"):
        bench.dataset.restore([3, 1])
    assert bench.numbers == []


def test_a_full_disk_leaves_no_half_written_file(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    write = Path.write_bytes

    def write_half(path: Path, data: bytes) -> int:
        write(path, data[: len(data) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", write_half)
    for attempt, doing in (
        (lambda: save_episode(bench.folder, sample_episode(4)), "saving the episode"),
        (lambda: bench.dataset.set_success(1, False), "changing episode 1"),
        (bench.dataset.rewrite_master, r"updating dataset\.hdf5"),
    ):
        with pytest.raises(WorkspaceError, match=f"disk is full while {doing}. Free some space"):
            attempt()
    assert bench.numbers == [1, 2, 3]
    assert bench.dataset.damaged() == bench.leftovers() == []
    assert bench.dataset.load(1).info.success is True
    assert bench.linked() == ["demo_1", "demo_2", "demo_3"]


def test_processes_that_save_at_once_get_different_numbers(tmp_path: Path) -> None:
    def start(first: int) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", SAVER, str(tmp_path), str(first)]
        return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    savers = {first: start(first) for first in (100, 200)}
    for saver in savers.values():
        assert saver.stdout is not None
        assert saver.stdout.readline() == "ready\n"
    for saver in savers.values():
        assert saver.stdin is not None
        saver.stdin.write("go\n")
        saver.stdin.flush()
    saved = {
        first: [int(number) for number in saver.communicate(timeout=60)[0].split()] for first, saver in savers.items()
    }
    assert sorted(number for numbers in saved.values() for number in numbers) == list(range(1, 17))
    for first, numbers in saved.items():
        for n, number in enumerate(numbers):
            assert same_steps(load_episode(tmp_path / f"{number:06d}.hdf5"), sample_episode(first + n))


def test_numbers_are_given_out_where_there_are_no_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)
    assert [save_episode(tmp_path, sample_episode(seed)) for seed in (1, 2)] == [1, 2]
    (tmp_path / "000002.hdf5").rename(tmp_path / "000004.hdf5")
    assert save_episode(tmp_path, sample_episode(3)) == 5
    assert load_episode(tmp_path / "000005.hdf5").info.seed == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000001.hdf5", "000004.hdf5", "000005.hdf5"]


def test_the_file_of_an_episode_is_made_in_memory_and_always_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert encode_episode(sample_episode(1)) == encode_episode(sample_episode(1))
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def sample(tmp_path: Path) -> Workspace:
    return Workspace.open(shutil.copytree(SAMPLE, tmp_path / "sample"))


def test_a_workspace_of_the_first_version_still_loads(sample: Workspace) -> None:
    """Files that people have made must stay readable: change the program, not the sample."""
    dataset = Dataset(sample)
    first, second = dataset.summaries()
    assert dataset.damaged() == []
    assert (sample.config.image_size, sample.config.cameras) == (32, ("wrist", "front"))
    assert (first.seed, first.look, first.source, first.success, first.operator) == (0, "varied", "expert", True, "")
    assert (second.length, second.source, second.success, second.operator) == (8, "autonomous", None, "Zoë")
    episodes: list[Episode] = [dataset.load(number) for number in (1, 2)]
    assert [fingerprint_of(episode) for episode in episodes] == [first.fingerprint, second.fingerprint]
    assert len(episodes[0]) == first.length
    assert np.abs(episodes[0].actions - episodes[0].executed_actions).max() > 0
    assert episodes[1].images["front"].shape == (8, 32, 32, 3)
    assert episodes[1].info.model_xml.startswith("<mujoco")


def test_the_sample_can_be_extended(sample: Workspace) -> None:
    assert save_episode(sample.episodes_folder, sample_episode(1)) == 3
    dataset = Dataset(sample)
    dataset.rewrite_master()
    with h5py.File(sample.path / "dataset.hdf5", "r") as file:
        assert sorted(file["data"]) == ["demo_1", "demo_2", "demo_3"]

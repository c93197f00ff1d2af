"""`.npz` and `.json`: what is written is what is read."""

import dataclasses
import json

import numpy as np
import pytest

from ampose_tf.camera import normalize_screen
from ampose_tf.data import archive
from ampose_tf.lifting import results, untrusted
from ampose_tf.lifting.motion import LiftedTrack
from ampose_tf.skeleton import H36M_16, H36M_17
from tests import clips
from tests.lifting.filmed import film, only

ENDINGS = pytest.mark.parametrize("ending", [".npz", ".json"])


@pytest.fixture(scope="module")
def motion():
    """Two people with all that can be missing, and awkward numbers."""
    motion = film(frames=11, track_id=8).motion
    (track,) = motion.tracks
    random = np.random.default_rng(0)
    seen = random.random((11, 17)) < 0.7
    pixels = np.where(seen[..., None], track.keypoints_px, np.nan)
    track = track._replace(
        frames=np.cumsum(random.integers(1, 4, 11)),
        keypoints_px=pixels,
        seen=seen,
        scores=random.random((11, 17)),
        spread_m=np.where(seen, 1 / 3, np.nan),
    )
    other = only(track._replace(track_id=-2, root=None), slice(3, 7))
    return dataclasses.replace(
        motion,
        tracks=(track, other),
        image_size=(1000, 1400),
        fps=30000 / 1001,
        up=(0.0, -0.8, -0.6),
        notes=("Ein Maß: größer.", ""),
        normalisation="width",
    )


@ENDINGS
def test_everything_comes_back(motion, tmp_path, ending):
    path = tmp_path / f"clip{ending}"
    motion.save(path)
    loaded = results.load(path)
    for field in dataclasses.fields(motion):
        if field.name != "tracks":
            value = getattr(loaded, field.name)
            assert value == getattr(motion, field.name), field.name
            assert type(value) is type(getattr(motion, field.name))
    assert [track.track_id for track in loaded.tracks] == [8, -2]
    assert loaded.tracks[1].root is None
    for track, expected in zip(loaded.tracks, motion.tracks, strict=True):
        for name in LiftedTrack._fields[1:]:
            array = getattr(track, name)
            if array is not None:
                assert array.dtype == getattr(expected, name).dtype
            np.testing.assert_array_equal(array, getattr(expected, name))


@ENDINGS
def test_sixteen_joints_and_no_frame_rate(motion, tmp_path, ending):
    kept = [j for j in range(17) if j != 9]
    (track, _) = motion.tracks
    arrays = {
        name: getattr(track, name)[:, kept]
        for name in ("poses_3d", "keypoints_px", "scores", "seen", "spread_m")
    }
    smaller = dataclasses.replace(
        motion,
        tracks=(track._replace(**arrays),),
        skeleton=H36M_16,
        fps=None,
        notes=(),
    )
    path = tmp_path / f"clip{ending}"
    smaller.save(path)
    loaded = results.load(path)
    assert loaded.skeleton == H36M_16
    assert loaded.fps is None and loaded.notes == ()


def test_npz_explains_itself(motion, tmp_path):
    motion.save(tmp_path / "clip.npz")
    members = archive.read(tmp_path / "clip.npz")  # No pickles in it.
    assert tuple(members["joint_names"]) == H36M_17.joints
    assert [tuple(edge) for edge in members["edges"]] == list(H36M_17.edges)
    assert str(members["units"]) == "metres"
    assert "y down" in str(members["frame"])
    assert str(members["root"]).startswith("hip")
    assert members["poses_3d"].shape == (15, 17, 3)
    assert members["track_ids"].tolist() == [8] * 11 + [-2] * 4
    assert np.isnan(members["root_positions"][11:]).all()
    pixels = np.concatenate([t.keypoints_px for t in motion.tracks])
    np.testing.assert_array_equal(
        members["keypoints_2d"],
        normalize_screen(pixels, motion.image_size, "width"),
    )


def test_json_is_strict_and_explains_itself(motion, tmp_path):
    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    motion.save(tmp_path / "clip.json")
    content = json.loads(
        (tmp_path / "clip.json").read_text(encoding="utf-8"),
        parse_constant=refuse,
    )
    assert content["joint_names"] == list(H36M_17.joints)
    assert content["edges"] == [list(edge) for edge in H36M_17.edges]
    assert (content["units"], content["fps"]) == ("metres", 30000 / 1001)
    assert content["frame"] == "camera: x right, y down, z forward"
    first, second = content["tracks"]
    assert second["root_positions"] == [[None] * 3] * 4
    frame, joint = np.argwhere(~motion.tracks[0].seen)[0]
    assert first["keypoints_px"][frame][joint] == [None, None]
    assert first["seen"][frame][joint] is False
    # A float32's third, not its 16 digits as a float64.
    seen = np.argwhere(motion.tracks[0].seen)[0]
    assert first["spread_m"][seen[0]][seen[1]] == 0.33333334


def test_files_that_would_take_all_memory_are_refused(
    motion, tmp_path, monkeypatch
):
    deep = tmp_path / "deep.json"
    deep.write_text("[" * 100_000)
    with pytest.raises(ValueError, match="nested too deeply"):
        results.load(deep)
    written = [tmp_path / f"clip{ending}" for ending in (".npz", ".json")]
    for path in written:
        motion.save(path)
    monkeypatch.setattr(untrusted, "MAX_BYTES", 3000)
    for path in written:
        with pytest.raises(ValueError, match="than 3000 bytes"):
            results.load(path)


def test_saved_motions_are_told_from_keypoints(motion, tmp_path):
    for ending in (".npz", ".json"):
        motion.save(tmp_path / f"clip{ending}")
        assert results.is_saved(tmp_path / f"clip{ending}")
    for path in clips.write_all(tmp_path).values():
        assert not results.is_saved(path)
    (tmp_path / "said.json").write_text(json.dumps([results.FORMAT]))
    for name in ("said.json", "missing.npz", "."):
        assert not results.is_saved(tmp_path / name)


def test_other_files_are_refused(motion, tmp_path):
    with pytest.raises(OSError, match="no file"):
        results.load(tmp_path / "missing.npz")
    for name, content, message in (
        ("list.json", "[]", "not a motion"),
        ("broken.json", "{", "not a motion"),
        ("other.json", '{"format": "x"}', "expected 'ampose_tf motion 1'"),
        ("lacking.json", '{"format": "ampose_tf motion 1"}', "'tracks'"),
        ("text.csv", "", "expected an .npz or a .json"),
        ("text.npz", "x", "not a readable .npz"),
    ):
        (tmp_path / name).write_text(content)
        with pytest.raises(ValueError, match=message) as error:
            results.load(tmp_path / name)
        assert name in str(error.value)
    np.savez(tmp_path / "other.npz", poses_3d=np.zeros(3))
    with pytest.raises(ValueError, match="not a motion.*format"):
        results.load(tmp_path / "other.npz")
    motion.save(tmp_path / "clip.json")
    text = (tmp_path / "clip.json").read_text(encoding="utf-8")
    (tmp_path / "names.json").write_text(text.replace("LKnee", "LKnie"))
    with pytest.raises(ValueError, match="joints are not Human3.6M's"):
        results.load(tmp_path / "names.json")

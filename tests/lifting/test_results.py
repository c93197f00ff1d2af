"""`.npz` and `.json`: what is written is what is read."""

import dataclasses
import json
import time

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
        ("text.csv", "", "expected an .npz or .json file"),
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
    with pytest.raises(
        ValueError, match="joint_names: expected Human3.6M's joints"
    ):
        results.load(tmp_path / "names.json")


def damaged(motion, path, **changes):
    """Writes a result with other values in its arrays or its first track."""
    whole = path.with_name(f"whole{path.suffix}")
    motion.save(whole, overwrite=True)
    if path.suffix == ".npz":
        members = archive.read(whole)
        np.savez(path, **{**members, **changes})
        return path
    content = json.loads(whole.read_text(encoding="utf-8"))
    for name, value in changes.items():
        value = value.tolist() if isinstance(value, np.ndarray) else value
        if name in content["tracks"][0]:
            content["tracks"][0][name] = value[: len(motion.tracks[0].frames)]
        else:
            content[name] = value
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def rows(shape, first):
    """Returns an array of zeros, but for its first number."""
    array = np.zeros((15, *shape))
    array.flat[0] = first
    return array


@ENDINGS
@pytest.mark.parametrize(
    ("message", "changes"),
    [
        ("frame_numbers", {"frame_numbers": np.arange(15) * 10**9}),
        ("frame_numbers", {"frame_numbers": np.arange(15) - 1}),
        ("frame_numbers: .*, got 0.5", {"frame_numbers": rows((), 0.5)}),
        ("far apart for one clip", {"frame_numbers": np.arange(15) * 500_000}),
        ("fps: expected", {"fps": np.array(1e-320)}),
        ("fps: expected", {"fps": np.array(1e300)}),
        ("fps: expected", {"fps": np.array("30")}),
        ("fps: expected", {"fps": np.array([30.0])}),
        ("image_size: ", {"image_size": np.array([np.inf, 480])}),
        ("image_size: ", {"image_size": np.array([0, 480])}),
        ("image_size: ", {"image_size": np.array([10**9, 480])}),
        ("image_size: ", {"image_size": np.array([640])}),
        ("image_corner: ", {"image_corner": np.array([np.nan, 0])}),
        ("image_corner: ", {"image_corner": np.array([1e300, 0])}),
        ("up: expected", {"up": np.array([1e200, 0, 0])}),
        ("up", {"up": np.array([0.5, 0, 0])}),
        ("poses_3d: .*got 1e\\+30", {"poses_3d": rows((17, 3), 1e30)}),
        ("poses_3d: .*got nan", {"poses_3d": rows((17, 3), np.nan)}),
        ("root_positions: ", {"root_positions": rows((3,), -1e10)}),
        ("keypoints_px: ", {"keypoints_px": rows((17, 2), 1e7)}),
        ("keypoints_px: ", {"keypoints_px": rows((17, 2), np.inf)}),
        ("scores: .* from 0 to 1, got 1.5", {"scores": rows((17,), 1.5)}),
        ("seen: .*whole.*got 0.5", {"seen": rows((17,), 0.5)}),
        ("seen: .*got nan", {"seen": rows((17,), np.nan)}),
        ("spread_m: .*got -1", {"spread_m": rows((17,), -1)}),
        ("poses_3d", {"poses_3d": rows((16, 3), 0)}),
        ("normalisation", {"normalisation": np.array("\x1b[31m" * 99)}),
        ("normalisation", {"normalisation": np.arange(999)}),
        ("units: expected 'metres'", {"units": np.array("millimetres")}),
        ("frame: expected", {"frame": np.array("camera: y up")}),
        ("notes: more than 1000", {"notes": np.array(["a"] * 1001)}),
        ("notes: expected text", {"notes": np.arange(3)}),
        ("notes: expected a list", {"notes": np.array("note")}),
    ],
)
def test_values_that_mean_nothing_are_refused(
    motion, tmp_path, ending, message, changes
):
    path = damaged(motion, tmp_path / f"clip{ending}", **changes)
    with pytest.raises(ValueError, match=message) as error:
        results.load(path)
    assert str(error.value).isprintable()
    assert len(str(error.value)) < len(str(path)) + 300


@pytest.mark.parametrize(
    "identity", ["=cmd()", "1\n2", 1.5, 2**60, True, None, [1]]
)
def test_ids_are_numbers(motion, tmp_path, identity):
    path = damaged(motion, tmp_path / "clip.json")
    content = json.loads(path.read_text(encoding="utf-8"))
    content["tracks"][0]["track_id"] = identity
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ValueError, match="track_id: expected an integer, got"):
        results.load(path)
    if not isinstance(identity, (type(None), list, int)):
        path = path.with_suffix(".npz")
        identities = np.full(15, identity)
        damaged(motion, path, track_ids=identities)
        with pytest.raises(ValueError, match="track_ids: expected whole"):
            results.load(path)


@pytest.mark.parametrize("fps", ["1" + "0" * 400, '"30"', "[30]", "true"])
def test_rates_of_json_are_numbers(motion, tmp_path, fps):
    path = damaged(motion, tmp_path / "clip.json", fps=12345)
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("12345", fps), encoding="utf-8")
    if fps == "true":  # Which is 1 a second to Python.
        assert results.load(path).fps == 1
        return
    with pytest.raises(ValueError, match="fps: expected"):
        results.load(path)


@ENDINGS
def test_what_cannot_be_printed_is_escaped(motion, tmp_path, ending):
    provenance = {"inp\x1but": "a\nb" + "x" * 9999}
    path = damaged(
        motion,
        tmp_path / f"clip{ending}",
        notes=np.array(["\x1b[2Ja\u202e", "</script>ß"]),
        provenance=np.array(json.dumps(provenance))
        if ending == ".npz"
        else provenance,
    )
    loaded = results.load(path)
    assert loaded.notes == (r"\x1b[2Ja\u202e", "</script>ß")
    ((name, value),) = loaded.provenance.items()
    assert name == r"inp\x1but"
    assert value == r"a\nb" + "x" * 3995 + "…"


@pytest.mark.parametrize("provenance", [[1], {"a": 1}, {"a": None}, "text"])
def test_provenance_is_text_by_name(motion, tmp_path, provenance):
    for ending, value in (
        (".json", provenance),
        (".npz", np.array(json.dumps(provenance))),
    ):
        path = damaged(motion, tmp_path / f"clip{ending}", provenance=value)
        with pytest.raises(ValueError, match="provenance: expected"):
            results.load(path)


def test_pickled_members_are_refused(motion, tmp_path):
    pickled = np.empty((), object)
    pickled[()] = {"a": "b"}
    for name in ("provenance", "notes", "scores", "another"):
        path = damaged(motion, tmp_path / "clip.npz", **{name: pickled})
        with pytest.raises(ValueError, match=f"{name}: expected a plain arr"):
            results.load(path)


@ENDINGS
def test_more_people_than_a_frame_holds_are_refused(tmp_path, ending):
    """Readers of keypoints have the same limit."""
    (track,) = film(frames=1).motion.tracks
    path = tmp_path / f"clip{ending}"
    for people in (200, 201):
        tracks = tuple(track._replace(track_id=n) for n in range(people))
        motion = dataclasses.replace(film(frames=1).motion, tracks=tracks)
        motion.save(path, overwrite=True)
        if people == 200:
            assert len(results.load(path).tracks) == people
    with pytest.raises(ValueError, match="than 200 people in frame 0"):
        results.load(path)


def test_many_people_take_no_longer_than_their_rows(tmp_path):
    """Photographs: each person is alone in a frame."""
    (track,) = film(frames=1).motion.tracks
    people = 3001
    motion = dataclasses.replace(
        film(frames=1).motion,
        tracks=tuple(
            track._replace(
                track_id=(7 * person) % people, frames=np.array([person])
            )
            for person in range(people)
        ),
    )
    motion.save(tmp_path / "clip.npz")
    loaded = results.load(tmp_path / "clip.npz")
    identities = [track.track_id for track in loaded.tracks]
    assert identities == [track.track_id for track in motion.tracks]
    start = time.process_time()
    results.load(tmp_path / "clip.npz")
    assert time.process_time() - start < 5

"""Damaged files end in a result or in one line, whichever reader reads them.

`make fuzz EXAMPLES=10000 SEED=1` tries other files, and more.
"""

import gzip
import json
import os

import h5py
import hypothesis
import imageio_ffmpeg
import numpy as np
import pytest
from hypothesis import strategies

from ampose_tf.lifting import (
    Lifter,
    formats,
    keypoints,
    own_skeleton,
    results,
    saving,
)
from ampose_tf.lifting.untrusted import MAX_PIXEL
from ampose_tf.skeleton import H36M_17
from tests import clips, h5_clips, processor
from tests.fuzz import damage
from tests.fuzz.damage import DAMAGES
from tests.lifting.filmed import film
from tests.lifting.pictures import decoded

EXAMPLES = int(os.environ.get("AMPOSE_FUZZ_EXAMPLES", 200))
MOST_SECONDS = 20
LONGEST_MESSAGE = 300

CLIPS = (
    "coco",
    "coco_annotations",
    "alphapose",
    "openpose",
    "mmpose_image",
    "mmpose_video",
    "mmpose_demo",
    "ultralytics",
    "ultralytics_text",
    "tfjs",
    "by_name",
    "mediapipe",
    "own",
    "lines",
    "coco_lines",
    "detectron2",
    "detectron2_custom",
    "plain",
    "movenet",
    "csv",
    "openpose_folder",
)
JSON_OBJECTS = tuple(
    name
    for name in CLIPS[: CLIPS.index("lines")]
    if name != "ultralytics_text"
)
NUMBERS = strategies.integers(0, 1 << 20)


def fuzzed(examples):
    """Runs a test with so many drawn values: always those, in the suite."""
    return hypothesis.settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize="AMPOSE_FUZZ_EXAMPLES" not in os.environ,
        suppress_health_check=list(hypothesis.HealthCheck),
    )


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    return clips.write_all(tmp_path_factory.mktemp("clips"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("damaged")


def outcome(call, path):
    """Returns a result, or None of what was refused as it should be."""
    try:
        with processor.at_most(MOST_SECONDS):
            return call()
    except (ValueError, OSError) as error:
        check_message(str(error), path)
        return None


def check_message(message, path=None):
    message = message.replace(str(path), "clip")
    assert message.isprintable(), message
    assert len(message) <= LONGEST_MESSAGE, message


def check_keypoints(read):
    assert read.tracks
    assert read.skeleton in keypoints.SKELETONS
    for note in read.notes:
        check_message(note)
    for track in read.tracks:
        count = len(keypoints.find_skeleton(read.skeleton).joints)
        assert track.pixels.shape == (len(track.frames), count, 2)
        assert track.scores.shape == track.pixels.shape[:2]
        assert track.pixels.dtype == track.scores.dtype == np.float32
        assert np.abs(track.pixels).max() <= MAX_PIXEL
        assert track.scores.min() >= 0 and track.scores.max() <= 1
        assert (track.scores > 0).any(axis=1).all()
        assert (np.diff(track.frames) > 0).all()
        assert 0 <= track.frames[0] <= track.frames[-1] < read.frame_count
    keypoints.to_h36m(read)
    keypoints.assumed_image_size(read)


def write_damaged(path, folder, damages, form):
    """Writes a damaged copy of a clip, rarely compressed; returns its path."""
    new = folder / path.name
    if path.is_dir():
        return write_damaged_folder(path, new, damages)
    if form % 8 == 0:
        content = damage.damaged_bytes(path.read_bytes(), damages)
    elif path.suffix == ".json":
        content = damaged_json(json.loads(path.read_bytes()), damages)
    elif path.suffix == ".jsonl":
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        lines = damage.damaged(lines, damages)
        lines = lines if isinstance(lines, list) else [lines]
        content = "\n".join(map(json.dumps, lines)).encode()
    elif path.suffix == ".csv":
        text = damage.damaged_table(path.read_text(), damages)
        content = text.encode("utf-8", "surrogatepass")
    elif path.suffix == ".npy":
        np.save(new, damage.damaged_array(np.load(path), damages[0]))
        return new
    else:
        with np.load(path, allow_pickle=True) as members:
            members = damage.damaged_members(members, damages)
        np.savez(new, **members)
        return new
    # PowerShell writes UTF-16, and people compress what is large.
    content = content if form % 23 else gzip.compress(content)
    new.write_bytes(content)
    return new


def damaged_json(value, damages):
    text = json.dumps(damage.damaged(value, damages))
    codings = ("utf-8",) * 20 + ("utf-8-sig", "utf-16")
    return text.encode(damage.pick(codings, damages[0].place))


def write_damaged_folder(path, new, damages):
    """Damages, renames, removes or adds files of a folder."""
    new.mkdir(exist_ok=True)
    for file in new.iterdir():
        file.unlink()
    files = {file.name: file.read_bytes() for file in path.iterdir()}
    for one in damages:
        name = damage.pick(sorted(files), one.place)
        kind = one.kind % 6
        if kind == 0 and len(files) > 1:
            del files[name]
        elif kind == 1:
            other = (f"._{name}", "a.json", f"{name}\n.json", "0x1.json")
            files[damage.pick(other, one.form)] = files[name]
        elif kind == 2:
            files[name.replace("0000", "9" * 15)] = files.pop(name)
        elif kind == 3:
            files[name] = damage.damaged_bytes(files[name], [one])
        elif kind == 4:
            files[".DS_Store"] = b"\0\0\0\1Bud1"
        else:
            files[name] = damaged_json(
                json.loads(path.joinpath(name).read_bytes())
                if path.joinpath(name).exists()
                else [],
                damages,
            )
    for name, content in files.items():
        (new / name).write_bytes(content)
    return new


@pytest.mark.parametrize("name", JSON_OBJECTS)
def test_a_field_that_no_reader_knows_is_noted(name, paths, folder):
    """Or the file is refused, or read all the same as a wrapper's name."""
    path = paths[name]
    value = json.loads(path.read_text())
    new = folder / "renamed.json"
    noted = []
    whole = {
        (track.track_id, *track.frames.tolist(), track.pixels.sum())
        for track in formats.read(path, clips.IMAGE_SIZE).tracks
    }

    @fuzzed(EXAMPLES // 10)
    @hypothesis.given(NUMBERS)
    def run(seed):
        new.write_text(json.dumps(damage.renamed(value, seed, "qwxz")))
        read = outcome(lambda: formats.read(new, clips.IMAGE_SIZE), new)
        if read is not None:
            found = {
                (track.track_id, *track.frames.tolist(), track.pixels.sum())
                for track in read.tracks
            }
            is_noted = any("qwxz" in note for note in read.notes)
            assert is_noted or found == whole, read.notes
            noted.append(is_noted)

    run()
    assert any(noted)


@pytest.mark.parametrize("name", CLIPS)
def test_clips(name, paths, folder):
    path = paths[name]
    refused = []

    @fuzzed(EXAMPLES)
    @hypothesis.given(DAMAGES, NUMBERS, NUMBERS, NUMBERS)
    def run(damages, form, sized, named):
        new = write_damaged(path, folder, damages, form)
        size = clips.IMAGE_SIZE if sized % 5 else None
        told = None
        if named % 5 == 4:
            told = damage.pick(formats.FORMATS, named // 5)
        read = outcome(lambda: formats.read(new, size, told), new)
        refused.append(read is None)
        if read is not None:
            check_keypoints(read)

    run()
    # Damage that is never found, or always, would test little.
    assert 0.15 < np.mean(refused) < 1


@pytest.mark.parametrize("ending", [".npz", ".json"])
def test_saved_results(ending, tmp_path_factory, folder):
    whole = tmp_path_factory.mktemp("whole") / f"clip{ending}"
    film(frames=3).motion.save(whole)
    refused = []

    @fuzzed(EXAMPLES)
    @hypothesis.given(DAMAGES, NUMBERS)
    def run(damages, form):
        new = write_damaged(whole, folder, damages, form)
        outcome(lambda: results.is_saved(new), new)
        motion = outcome(lambda: results.load(new), new)
        refused.append(motion is None)
        if motion is not None:
            for text in (*motion.notes, *motion.provenance.values()):
                assert text.isprintable()

    run()
    assert 0.3 < np.mean(refused) < 1


def test_own_skeletons(folder):
    whole = folder / "whole.json"
    joints = [f"my {joint}" for joint in H36M_17.joints]
    sides = [
        [f"my {joint}", f"my R{joint[1:]}"]
        for joint in H36M_17.joints
        if joint[0] == "L"
    ]
    weights = {joint: {f"my {joint}": 1} for joint in H36M_17.joints}
    described = {
        "name": "mine",
        "joints": joints,
        "sides": sides,
        "weights": weights,
    }
    whole.write_text(json.dumps(described))
    own_skeleton.load(whole)
    refused = []

    @fuzzed(EXAMPLES)
    @hypothesis.given(DAMAGES, NUMBERS)
    def run(damages, form):
        (folder / "skeleton").mkdir(exist_ok=True)
        new = write_damaged(whole, folder / "skeleton", damages, form)
        read = outcome(lambda: own_skeleton.load(new), new)
        refused.append(read is None)

    run()
    assert 0.3 < np.mean(refused) < 1


def write_damaged_h5(path, damages, form):
    """Writes DeepLabCut's or SLEAP's HDF5 with damaged names or numbers."""
    names = [list(column) for column in h5_clips.columns(2)]
    values = h5_clips.cells(2)
    if form % 4 == 0:
        names = damage.damaged(names, damages)
        if isinstance(names, list):
            names = [tuple(n) if isinstance(n, list) else n for n in names]
        h5_clips.write_table(path, names, values)
        return
    if form % 4 == 1:
        h5_clips.write_fixed(path, list(map(tuple, names)), values)
    else:
        h5_clips.write_sleap(path, form % 4 == 2)
    with h5py.File(path, "a") as file:
        group = file.get("keypoints", file)
        for one in damages:
            name = damage.pick(sorted(group), one.place)
            array = group[name][()]
            del group[name]
            if not isinstance(array, np.ndarray):
                continue
            array = damage.damaged_array(array, one)
            try:
                group[name] = array
            except (TypeError, ValueError):  # No type of HDF5.
                group[name] = h5py.Empty("f8")
        for place, name in enumerate(list(group.attrs)):
            if form % 11 == place:
                group.attrs[name] = damage.pick((3, -1, 10**9, "x"), form)


def test_h5(folder):
    refused = []
    path = folder / "clip.h5"

    @fuzzed(EXAMPLES // 4)
    @hypothesis.given(DAMAGES, NUMBERS)
    def run(damages, form):
        write_damaged_h5(path, damages, form)
        read = outcome(lambda: formats.read(path), path)
        refused.append(read is None)
        if read is not None:
            check_keypoints(read)

    run()
    assert 0.3 < np.mean(refused) < 1


def check_written(path, motion):
    """Whatever was lifted, its file is whole."""
    if path.suffix in (".npz", ".json"):
        loaded = results.load(path)
        for track, its in zip(motion.tracks, loaded.tracks, strict=True):
            np.testing.assert_array_equal(track.poses_3d, its.poses_3d)
    elif path.suffix in (".png", ".gif"):
        for picture in decoded(path):
            assert picture.min() < 128 and picture.max() == 255
    elif path.suffix == ".mp4":
        assert imageio_ffmpeg.count_frames_and_secs(str(path))[0] > 0
    else:
        assert len(path.read_text(encoding="utf-8").splitlines()) > 1


def test_lifting(paths, folder, deaf_model, seeing_model):
    lifters = [
        Lifter(deaf_model, seen_score=0),
        Lifter(seeing_model, smooth="butterworth"),
        Lifter(seeing_model, smooth="one_euro"),
    ]
    refused = []

    @fuzzed(EXAMPLES // 4)
    @hypothesis.given(
        strategies.sampled_from(CLIPS),
        DAMAGES,
        strategies.sampled_from(lifters),
        strategies.sampled_from(saving.ENDINGS),
        strategies.booleans(),
    )
    def run(name, damages, lift, ending, is_sized):
        new = write_damaged(paths[name], folder, damages, 1)
        size = clips.IMAGE_SIZE if is_sized else None
        motion = outcome(lambda: lift(new, image_size=size), new)
        target = folder / f"lifted{ending}"
        written = motion and outcome(
            lambda: motion.save(target, overwrite=True), target
        )
        refused.append(not written)
        for file in written or ():
            check_written(file, motion)

    run()
    assert 0.2 < np.mean(refused) < 1

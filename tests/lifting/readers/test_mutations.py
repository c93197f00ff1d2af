"""Files that something has damaged end in a result or in one clear line."""

import copy
import json

import imageio_ffmpeg
import numpy as np
import pytest

from ampose_tf.lifting import Lifter, formats, keypoints, results, saving
from ampose_tf.lifting.untrusted import MAX_FRAME, MAX_PIXEL
from tests import clips
from tests.lifting.filmed import film
from tests.lifting.pictures import decoded

# Raise it to look for more; 2,000 are tried before a release.
DAMAGED_FILES = 300
LIFTED_FILES = 100

EXTREMES = (
    None,
    True,
    False,
    0,
    -1,
    1e308,
    -1e308,
    10**30,
    10**400,
    2**63,
    # A frame's number and a person's may be as large.
    100_000,
    1_000_000,
    9_999_999,
    MAX_FRAME,
    float("nan"),
    float("inf"),
    -float("inf"),
    0.5,
    1e-320,
    -0.0,
    "",
    "x",
    "a\nb",
    "12",
    "\u2028",
    [],
    {},
    [[]],
    [None],
    {"x": 1, "y": 2},
    [1, 2, 3],
    [[1, 2]] * 17,
    [[1, 2, 3]] * 33,
    {"": None},
)


@pytest.fixture(scope="module")
def clip_files(tmp_path_factory):
    paths = clips.write_all(tmp_path_factory.mktemp("clips"))
    return [path for path in paths.values() if path.is_file()]


def nodes(value, parent=None, key=None):
    """Yields (parent, key) of everything within a JSON value."""
    if parent is not None:
        yield parent, key
    items = value.items() if isinstance(value, dict) else ()
    if isinstance(value, list):
        items = enumerate(value)
    for inner_key, inner in items:
        yield from nodes(inner, value, inner_key)


def mutate_json(random, value):
    places = list(nodes(value))
    if not places:
        return
    # Most nodes are coordinates; those nearer to the root matter more.
    rank = random.uniform() ** 1.5
    parent, key = places[int(rank * len(places))]
    kind = random.integers(8)
    if kind < 2 and isinstance(parent[key], (int, float)):
        parent[key] *= int(random.choice([-1, 0, 3, 1000]))
    elif kind == 0 and isinstance(parent, dict):
        del parent[key]
    elif kind == 1 and isinstance(parent, dict):
        parent[random.choice(["x", "frame_id", "id", "keypoints"])] = (
            parent.pop(key)
        )
    elif kind == 2 and isinstance(parent, list):
        del parent[key:]
    elif kind == 3 and isinstance(parent, list):
        parent.extend(parent[: random.integers(1, 300)])
    elif kind == 4:
        parent[key] = [parent[key]]
    else:
        extreme = EXTREMES[random.integers(len(EXTREMES))]
        parent[key] = copy.deepcopy(extreme)


def mutate_bytes(random, content):
    content = bytearray(content)
    kind = random.integers(4)
    start = int(random.integers(len(content)))
    length = int(random.integers(1, 64))
    if kind == 0:
        return bytes(content[:start])
    if kind == 1:
        del content[start : start + length]
    elif kind == 2:
        content[start:start] = content[start : start + length]
    else:
        for place in random.integers(len(content), size=length % 5 + 1):
            content[place] = random.integers(256)
    return bytes(content)


def mutate_members(random, path):
    """Returns an .npz's or .npy's arrays, one of them changed."""
    loaded = np.load(path, allow_pickle=True)
    if path.suffix == ".npy":
        members = {"": loaded}
    else:
        members = {name: loaded[name] for name in loaded.files}
    name = random.choice(list(members))
    array = members[name]
    kind = random.integers(5)
    if kind == 0 and len(members) > 1:
        del members[name]
    elif kind == 1 and array.size:
        flat = array.ravel().copy()
        extreme = EXTREMES[random.integers(len(EXTREMES))]
        if array.dtype.kind == "U":
            extreme = "x"
        elif array.dtype != object:
            flat = flat.astype(np.float64)
            extreme = random.choice([np.nan, np.inf, -1e30, 1e30, -1, 0])
        place = random.integers(flat.size)
        flat[place : place + 1].fill(extreme)
        members[name] = flat.reshape(array.shape)
    elif kind == 2 and array.ndim:
        members[name] = array[: random.integers(len(array) + 1)]
    elif kind == 3:
        members[name] = array[None]
    else:
        other = random.choice(["U3", "complex64", "bool", "float16", "int8"])
        members[name] = np.zeros(array.shape, other)
    return members


def write_mutated(random, path, folder):
    """Writes a damaged copy of a file of a clip; returns its path."""
    damaged = folder / path.name
    structured = random.uniform() < 0.75
    if structured and path.suffix == ".json":
        value = json.loads(path.read_text())
        for _ in range(random.integers(1, 4)):
            mutate_json(random, value)
        damaged.write_text(json.dumps(value))
    elif structured and path.suffix == ".jsonl":
        value = [json.loads(line) for line in path.read_text().splitlines()]
        mutate_json(random, value)
        damaged.write_text("\n".join(map(json.dumps, value)))
    elif structured and path.suffix == ".npz":
        np.savez(damaged, **mutate_members(random, path))
    elif structured and path.suffix == ".npy":
        (array,) = mutate_members(random, path).values()
        np.save(damaged, array)
    else:
        damaged.write_bytes(mutate_bytes(random, path.read_bytes()))
    return damaged


def check_result(read):
    assert read.tracks
    assert read.skeleton in keypoints.SKELETONS
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


def read_mutated(seed, files, folder):
    """Returns what a damaged file ended in: a result or a message."""
    random = np.random.default_rng(seed)
    path = files[random.integers(len(files))]
    damaged = write_mutated(random, path, folder)
    size = clips.IMAGE_SIZE if random.uniform() < 0.8 else None
    format = None
    if random.uniform() < 0.2:
        format = str(random.choice(formats.FORMATS))
    try:
        read = formats.read(damaged, size, format)
    except (ValueError, OSError) as error:
        message = str(error)
        assert message.startswith(str(damaged)), message
        assert message.isprintable() and len(message) < 600, message
        return message
    check_result(read)
    keypoints.to_h36m(read)
    keypoints.assumed_image_size(read)
    return read


def test_damaged_files_end_well(clip_files, tmp_path):
    outcomes = [
        isinstance(read_mutated(seed, clip_files, tmp_path), str)
        for seed in range(DAMAGED_FILES)
    ]
    # Damage that is never found, or always, would test little.
    assert 0.3 < np.mean(outcomes) < 0.95


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


def lift_mutated(seed, files, folder, lifters):
    """Lifts and saves a damaged file; returns whether it was refused."""
    random = np.random.default_rng(seed)
    path = files[random.integers(len(files))]
    damaged = write_mutated(random, path, folder)
    size = clips.IMAGE_SIZE if random.uniform() < 0.5 else None
    lift = lifters[random.integers(len(lifters))]
    ending = saving.ENDINGS[seed % len(saving.ENDINGS)]
    try:
        motion = lift(damaged, image_size=size)
        written = motion.save(folder / f"lifted{ending}", overwrite=True)
    except (ValueError, OSError) as error:
        message = str(error)
        assert message.isprintable() and len(message) < 600, message
        return True
    assert motion.tracks and written
    for file in written:
        check_written(file, motion)
    return False


def test_damaged_files_are_lifted_or_refused(
    clip_files, tmp_path, deaf_model, seeing_model
):
    lifters = [
        Lifter(deaf_model, seen_score=0),
        Lifter(seeing_model, smooth="butterworth"),
        Lifter(seeing_model, smooth="one_euro"),
    ]
    refused = [
        lift_mutated(seed, clip_files, tmp_path, lifters)
        for seed in range(LIFTED_FILES)
    ]
    assert 0.2 < np.mean(refused) < 0.95


def load_mutated(seed, files, folder):
    """Returns whether a damaged result was refused."""
    random = np.random.default_rng(seed)
    damaged = write_mutated(random, files[seed % len(files)], folder)
    try:
        results.is_saved(damaged)
        results.load(damaged)
    except (ValueError, OSError) as error:
        message = str(error)
        assert message.isprintable() and len(message) < 600, message
        return True
    return False


def test_damaged_results_end_well(tmp_path):
    motion = film(frames=3).motion
    (tmp_path / "damaged").mkdir()
    files = [
        motion.save(tmp_path / f"clip{ending}")[0]
        for ending in (".npz", ".json")
    ]
    refused = [
        load_mutated(seed, files, tmp_path / "damaged")
        for seed in range(DAMAGED_FILES)
    ]
    assert 0.3 < np.mean(refused) < 0.95

"""Reading plain arrays, and predicting with any artefact."""

import subprocess
import sys
import textwrap
from concurrent import futures

import keras
import numpy as np
import pytest

from ampose_tf import weights
from ampose_tf.export import flatbuffer, runtime, saved_model, tflite
from ampose_tf.lifting import formats, predictor
from ampose_tf.lifting.predictor import load_predictor
from ampose_tf.models import stored
from ampose_tf.models.ampose import AMPose
from ampose_tf.skeleton import H36M_17


@pytest.fixture(scope="module")
def artefacts(tmp_path_factory):
    """One small model in the three kinds of file."""
    folder = tmp_path_factory.mktemp("artefacts")
    keras.utils.set_random_seed(5)
    model = AMPose(
        H36M_17.adjacency(), depth=1, width=8, heads=2, normalisation="width"
    )
    model.save(folder / "last.keras")
    for version in ("2", "10"):
        saved_model.write(model, folder / "saved_model" / version, "x: test")
    tflite.write(model, folder / "ampose.tflite", "float32", "x: test")
    return model, folder


@pytest.fixture(scope="module")
def seeing_artefacts(seeing_model, tmp_path_factory):
    """One that is told which joints were seen."""
    folder = tmp_path_factory.mktemp("seeing")
    model = stored.load(seeing_model)
    model.save(folder / "last.keras")
    saved_model.write(model, folder / "saved_model/1", "x: test")
    for format in ("float32", "float16", "dynamic_int8"):
        path = folder / f"{format}.tflite"
        tflite.write(model, path, format, "x: test")
    return model, folder


@pytest.mark.parametrize(
    ("kind", "tolerance"),
    [
        ("last.keras", 1e-5),
        ("saved_model", 1e-5),
        ("float32.tflite", 1e-5),
        ("float16.tflite", 1e-2),
        ("dynamic_int8.tflite", 0.1),
    ],
)
def test_every_artefact_hears_what_was_seen(
    seeing_artefacts, make_poses, kind, tolerance
):
    model, folder = seeing_artefacts
    predict = load_predictor(folder / kind, batch_size=3)
    assert predict.seen_input
    keypoints_2d = make_poses(5).keypoints_2d
    seen = np.ones((5, 17), bool)
    seen[1, 3] = seen[2, 11:14] = False
    poses_3d = predict(keypoints_2d, seen)
    expected = model(
        {"keypoints_2d": keypoints_2d, "seen": seen.astype(np.float32)}
    )
    np.testing.assert_allclose(poses_3d, expected, atol=tolerance)
    # Whatever a detector leaves where it saw nothing.
    keypoints_2d[~seen] = np.nan
    np.testing.assert_array_equal(predict(keypoints_2d, seen), poses_3d)
    with pytest.raises(ValueError, match="finite"):
        predict(keypoints_2d)
    keypoints_2d[~seen] = 0
    everything = predict(keypoints_2d)
    assert np.abs(everything - poses_3d)[~seen.all(axis=1)].max() > 1e-3
    np.testing.assert_array_equal(everything[[0, 3, 4]], poses_3d[[0, 3, 4]])


KINDS = ("last.keras", "saved_model", "saved_model/2", "ampose.tflite")


@pytest.mark.parametrize("kind", KINDS)
def test_every_artefact_predicts_alike(artefacts, make_poses, kind):
    model, folder = artefacts
    predict = load_predictor(folder / kind, batch_size=3)
    keypoints_2d = make_poses(7).keypoints_2d
    poses_3d = predict(keypoints_2d)
    assert poses_3d.dtype == np.float32
    np.testing.assert_allclose(
        poses_3d, np.asarray(model(keypoints_2d)), atol=1e-5
    )
    seen = np.ones((7, 17), bool)
    np.testing.assert_array_equal(predict(keypoints_2d, seen), poses_3d)
    assert predict(keypoints_2d[:0]).shape == (0, 17, 3)
    assert predict.normalisation == "width"
    assert predict.skeleton == H36M_17
    assert predict.megabytes > 0


@pytest.mark.parametrize("batch_size", [512, 5000])
def test_many_poses_are_compiled_to_the_same(
    seeing_artefacts, make_poses, batch_size
):
    _, folder = seeing_artefacts
    predict = load_predictor(folder / "last.keras", batch_size)
    keypoints_2d = make_poses(4098).keypoints_2d
    seen = np.random.default_rng(0).random((4098, 17)) < 0.9
    lifted = predict(keypoints_2d, seen)
    assert "_lift_compiled" in vars(predict)
    few = load_predictor(folder / "last.keras", 683)
    halves = [few(keypoints_2d[i::2], seen[i::2]) for i in (0, 1)]
    assert "_lift_compiled" not in vars(few)
    expected = np.stack(halves, axis=1).reshape(4098, 17, 3)
    assert expected.std(axis=0).min() > 1e-3
    np.testing.assert_allclose(lifted, expected, atol=1e-5)


def test_released_models_have_names():
    assert load_predictor("ampose_t").checkpoint.startswith("ampose_t.keras")


def test_newest_version_is_taken(artefacts, tmp_path, make_poses):
    """Ten comes after two, not before."""
    _, folder = artefacts
    other = AMPose(H36M_17.adjacency(), depth=1, width=8, heads=2)
    saved_model.write(other, tmp_path / "9", "x: test")
    saved_model.write(other, tmp_path / "10", "newest: test")
    assert load_predictor(tmp_path).checkpoint == "newest: test"


def test_predictor_refuses(artefacts, tmp_path, make_poses):
    _, folder = artefacts
    predict = load_predictor(folder / "last.keras")
    keypoints_2d = make_poses(3).keypoints_2d
    with pytest.raises(ValueError, match=r"\(N, 17, 2\), got \(3, 16, 2\)"):
        predict(keypoints_2d[:, :16])
    with pytest.raises(ValueError, match="seen of shape"):
        predict(keypoints_2d, np.ones((3, 16), bool))
    with pytest.raises(ValueError, match="compare scores"):
        predict(keypoints_2d, np.full((3, 17), 0.4))
    keypoints_2d[1, 2, 0] = np.nan
    with pytest.raises(ValueError, match="finite"):
        predict(keypoints_2d)
    with pytest.raises(OSError, match="no model"):
        load_predictor(tmp_path / "missing.keras")
    with pytest.raises(ValueError, match=r"no saved_model\.pb"):
        load_predictor(tmp_path)
    (tmp_path / "weights.h5").write_text("x")
    with pytest.raises(ValueError, match="expected a .keras file"):
        load_predictor(tmp_path / "weights.h5")
    (tmp_path / "text.keras").write_text("x")
    with pytest.raises(ValueError, match=r"text\.keras: not a readable"):
        load_predictor(tmp_path / "text.keras")
    keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]).save(
        tmp_path / "other.keras"
    )
    with pytest.raises(ValueError, match="holds a Sequential, not an AMPose"):
        load_predictor(tmp_path / "other.keras")


PIXELS = np.random.default_rng(2).uniform(100, 900, (5, 17, 2))


def test_npy_and_npz_are_read(tmp_path):
    np.save(tmp_path / "clip.npy", PIXELS)
    np.savez(tmp_path / "single.npz", anything=PIXELS)
    np.savez(
        tmp_path / "own.npz",
        keypoints_px=PIXELS,
        scores=np.full((5, 17), 0.5),
        image_size=[640, 480],
    )
    np.save(tmp_path / "frame.npy", PIXELS[0].astype(int))
    for name in ("clip.npy", "single.npz"):
        read = formats.read(tmp_path / name, (1000, 1002))
        assert (read.skeleton, read.frame_count) == ("H36M-17", 5)
        assert read.image_size == (1000, 1002)
        (track,) = read.tracks
        np.testing.assert_array_equal(track.pixels, PIXELS.astype(np.float32))
        assert (track.scores == 1).all()
    own = formats.read(tmp_path / "own.npz")
    assert own.image_size == (640, 480)
    assert (own.tracks[0].scores == 0.5).all()
    # What the user says beats the file.
    assert formats.read(tmp_path / "own.npz", (7, 5)).image_size == (7, 5)
    (track,) = formats.read(tmp_path / "frame.npy").tracks
    assert track.pixels.shape == (1, 17, 2)


@pytest.mark.parametrize("text", ["0x5", "5", "5x", "5x-3", "5x7x9", "axb"])
def test_image_size_is_refused(text):
    with pytest.raises(ValueError, match="WIDTHxHEIGHT"):
        formats.parse_image_size(text)


def test_image_size_is_parsed():
    assert formats.parse_image_size("1000x1002") == (1000, 1002)


def test_bad_keypoints_are_refused(tmp_path):
    def refuse(match, array, size=(1000, 1000), name="x.npy"):
        path = tmp_path / name
        if name.endswith(".npz"):
            np.savez(path, **array)
        else:
            np.save(path, array)
        with pytest.raises(ValueError, match=match) as error:
            formats.read(path, size)
        assert str(path) in str(error.value)

    refuse("got .5, 15, 2.", PIXELS[:, :15])
    refuse("got .0, 17, 2.", PIXELS[:0])
    refuse("normalised to .0, 1. and", PIXELS / 1000, None)
    broken = PIXELS.copy()
    broken[3, 11, 1] = np.inf
    refuse("joint 11 in frame 3", broken)
    refuse("found 'a', 'b'", {"a": PIXELS, "b": PIXELS}, name="x.npz")
    (tmp_path / "broken.npy").write_bytes(b"\x93NUMPY\x01\x00")
    with pytest.raises(ValueError, match="not a readable .npy"):
        formats.read(tmp_path / "broken.npy", (5, 7))
    np.save(tmp_path / "object.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(ValueError, match="not a readable .npy"):
        formats.read(tmp_path / "object.npy", (5, 7))
    with pytest.raises(OSError, match="no keypoint file"):
        formats.read(tmp_path / "missing.npy", (5, 7))


def test_threads_change_nothing(seeing_artefacts, make_poses):
    _, folder = seeing_artefacts
    poses = make_poses(203)
    seen = np.random.default_rng(4).random((203, 17)) > 0.2
    path = folder / "float32.tflite"
    expected = load_predictor(path, threads=1)(poses.keypoints_2d, seen)
    predict = load_predictor(path)
    told = []
    lifted = predict(poses.keypoints_2d, seen, progress=told.append)
    np.testing.assert_array_equal(lifted, expected)
    assert sum(told) == 203 and len(told) > 1
    # Each by itself, and from several threads at a time.
    with futures.ThreadPoolExecutor(8) as pool:
        alone = list(
            pool.map(
                lambda i: predict(
                    poses.keypoints_2d[i : i + 1], seen[i : i + 1]
                ),
                range(203),
            )
        )
        whole = pool.map(predict, [poses.keypoints_2d] * 8, [seen] * 8)
        for one in whole:
            np.testing.assert_array_equal(one, expected)
    np.testing.assert_array_equal(np.concatenate(alone), expected)


@pytest.mark.parametrize("kind", ["last.keras", "saved_model"])
def test_other_artefacts_may_be_called_from_threads(
    artefacts, make_poses, kind
):
    _, folder = artefacts
    keypoints_2d = make_poses(7).keypoints_2d
    expected = load_predictor(folder / kind)(keypoints_2d)
    predict = load_predictor(folder / kind)
    with futures.ThreadPoolExecutor(4) as pool:
        for lifted in pool.map(predict, [keypoints_2d] * 12):
            np.testing.assert_allclose(lifted, expected, atol=1e-6)


def test_more_threads_than_cores_are_refused(artefacts):
    path = artefacts[1] / "ampose.tflite"
    for threads in (0, predictor.cores() + 1):
        with pytest.raises(ValueError, match=f"expected 1 to .*{threads}"):
            load_predictor(path, threads=threads)


def test_a_file_of_several_poses_a_call(artefacts, make_poses, tmp_path):
    model, folder = artefacts
    path = tmp_path / "batch.tflite"
    tflite.write(model, path, "float32", "x: test", batch=5)
    keypoints_2d = make_poses(83).keypoints_2d
    expected = load_predictor(path, threads=1)(keypoints_2d)
    np.testing.assert_array_equal(load_predictor(path)(keypoints_2d), expected)
    np.testing.assert_allclose(
        expected,
        load_predictor(folder / "ampose.tflite")(keypoints_2d),
        atol=1e-6,
    )


def test_the_released_files_are_of_the_same_models(make_poses):
    poses = make_poses(40)
    seen = np.random.default_rng(4).random((40, 17)) > 0.1
    assert weights.LIFTING.keys() == weights.RELEASED.keys()
    for name, path in weights.LIFTING.items():
        lifted = load_predictor(path)(poses.keypoints_2d, seen)
        expected = load_predictor(name)(poses.keypoints_2d, seen)
        assert np.linalg.norm(lifted - expected, axis=-1).max() < 1e-5


@pytest.mark.parametrize("format", ["float32", "float16", "dynamic_int8"])
def test_many_poses_are_lifted_in_batches_to_the_same_bits(
    seeing_artefacts, make_poses, monkeypatch, format
):
    path = seeing_artefacts[1] / f"{format}.tflite"
    keypoints_2d = make_poses(75).keypoints_2d
    seen = np.random.default_rng(4).random((75, 17)) > 0.2
    expected = runtime.tflite(path)(
        keypoints_2d=np.where(seen[..., None], keypoints_2d, 0), seen=seen
    )
    several = runtime.tflite_in_batches(path, 8)
    assert several.batch == 8
    made = []
    monkeypatch.setattr(
        runtime,
        "tflite_in_batches",
        lambda *arguments: made.append(arguments) or several,
    )
    monkeypatch.setattr(predictor, "_BULK", 100)
    predict = load_predictor(path)
    for calls in range(3):
        lifted = predict(keypoints_2d, seen)
        np.testing.assert_array_equal(lifted, expected)
        assert len(made) == min(calls, 1)


def test_batches_that_are_not_full_are_lifted_one_by_one(monkeypatch):
    sizes = []

    def several(keypoints_2d, seen):
        sizes.append(len(keypoints_2d))
        return np.zeros((len(keypoints_2d), 17, 3), np.float32)

    several.batch = 8
    monkeypatch.setattr(runtime, "tflite_in_batches", lambda *_: several)
    monkeypatch.setattr(predictor, "_BULK", 0)
    predict = load_predictor(weights.LIFTING["ampose_t"], threads=1)
    for count in (1, 7, 8, 43):
        assert predict(np.zeros((count, 17, 2))).shape == (count, 17, 3)
    assert sizes == [8, 32, 8]


def test_a_file_of_several_poses_stays_as_it_is(artefacts, tmp_path):
    path = tmp_path / "batch.tflite"
    tflite.write(artefacts[0], path, "float32", "x: test", batch=3)
    assert runtime.tflite_in_batches(path, 8) is None


def test_a_graph_that_mixes_poses_is_not_taken(artefacts, monkeypatch):
    """What comes out is compared, whatever the graph is."""
    path = artefacts[1] / "ampose.tflite"
    batched = flatbuffer.batched

    def mixing(model, name, batch):
        made = batched(model, name, batch)
        # The last sum over channels is one over poses.
        (subgraph,) = made.subgraphs
        mean = [
            operator
            for operator, described in zip(
                subgraph.operators, flatbuffer.operators(made)[0], strict=True
            )
            if described.name == "MEAN"
        ][-1]
        axis = subgraph.tensors[mean.inputs[1]]
        buffer = flatbuffer.schema.BufferT()
        buffer.data = np.frombuffer(np.int32([0]).tobytes(), np.uint8)
        axis.buffer = len(made.buffers)
        made.buffers.append(buffer)
        return made

    monkeypatch.setattr(flatbuffer, "batched", mixing)
    assert runtime.tflite_in_batches(path, 8) is None


def test_a_forked_process_lifts_too(artefacts):
    """With threads of its own: those of its parent do not live on in it."""
    path = artefacts[1] / "ampose.tflite"
    code = f"""
        import os
        import signal

        import numpy as np

        from ampose_tf.lifting.predictor import Predictor
        from ampose_tf.export import runtime

        lift = runtime.tflite({str(path)!r})
        predict = Predictor(lift, 17, "width", False, "", 1, 8, threads=2)
        keypoints_2d = np.random.default_rng(0).random((100, 17, 2))
        expected = predict(keypoints_2d)
        if not os.fork():
            signal.alarm(30)
            equal = np.array_equal(predict(keypoints_2d), expected)
            os._exit(0 if equal else 1)
        print(os.waitstatus_to_exitcode(os.wait()[1]))
    """
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
    )
    assert ended.stdout == "0\n", ended.stderr

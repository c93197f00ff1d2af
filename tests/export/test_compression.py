"""Compression: the twin is the network, and what is compressed stays so."""

import json
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from ampose_tf import exporting
from ampose_tf.config import Config, Data, Export, Model, Train
from ampose_tf.export import compression, flatbuffer, runtime
from ampose_tf.export.artefacts import Choice
from ampose_tf.models import stored
from ampose_tf.models.ampose import AMPose
from ampose_tf.models.refinement import RefinedLifter
from ampose_tf.skeleton import H36M_17
from tests.exports import export

OPTIONS = Export(
    finetune_epochs=1, finetune_learning_rate=1e-3, clusters=5, qat_bits=4
)


def model_of(**design):
    """A model in which no bias is zero and no scale is one."""
    keras.utils.set_random_seed(5)
    arguments = {"depth": 1, "width": 48, "heads": 3} | design
    model = AMPose(H36M_17.adjacency(), **arguments)
    random = np.random.default_rng(5)
    for variable in model.variables:
        noise = random.normal(0, 0.05, variable.shape)
        variable.assign(
            np.abs(variable) + noise
            if "variance" in variable.name
            else variable + noise
        )
    return model


def inputs_of(model, count=7):
    random = np.random.default_rng(1)
    keypoints_2d = random.normal(0, 0.5, (count, 17, 2)).astype(np.float32)
    if not model.seen_input:
        return keypoints_2d
    seen = (random.random((count, 17)) < 0.8).astype(np.float32)
    return {"keypoints_2d": keypoints_2d, "seen": seen}


def between(model):
    """The kernels between the first dense layer and the last, by name."""
    return {
        variable.path: np.asarray(variable)
        for variable in model.weights
        if variable.name == "kernel"
        and variable.path.split("/")[-2] not in ("embedding", "poses_3d")
    }


@pytest.mark.parametrize(
    "design",
    [
        {"gcn": "ours", "seen_input": True, "frame": "person"},
        {"gcn": "ours", "residual_from": "input", "position": "shared"},
        {"gcn": "two_residual", "gcn_norm": "bn", "gcn_act": "relu"},
        {"gcn": "transformer"},
        {"gcn": "transformer", "gc_bias": "shared", "frame": "person"},
        {"gcn": "convnext", "final_norm": True},
        {"gcn": "vanilla", "depth": 2, "attention_scale": "full_dim"},
        {"gcn": "none"},
        {"gcn": "gcn_only"},
    ],
    ids=str,
)
def test_twin_and_folded_are_the_same_network(design):
    model = model_of(**design)
    given = inputs_of(model)
    expected = np.asarray(model(given))
    assert np.ptp(expected) > 0.5  # of which 1e-5 is a rounding error
    twin, _ = compression.twin(model)
    np.testing.assert_allclose(np.asarray(twin(given)), expected, atol=1e-5)
    folded = compression.folded(model)
    np.testing.assert_allclose(np.asarray(folded(given)), expected, atol=1e-5)


def test_folded_norms_do_nothing():
    folded = compression.folded(model_of())
    encoder = folded.get_layer("encoder_1")
    for norm in (encoder.norm_1, encoder.norm_2):
        assert (np.asarray(norm.gamma) == 1).all()
        assert (np.asarray(norm.beta) == 0).all()
    # Of this one an activation follows, not a dense layer.
    assert (np.asarray(folded.get_layer("gcn_1").norms[0].gamma) != 1).all()


@pytest.fixture(scope="module")
def compressed():
    """Of each sequence of techniques: (before, after, the poses learnt)."""
    model = model_of(seen_input=True)
    given = inputs_of(model, 64)
    # What a network of other weights says: something to be learnt.
    target = np.asarray(model(given)) + 0.1
    batches = tf.data.Dataset.from_tensors((given, target)).repeat()
    asked = []

    def run(*techniques, jit_compile=False, **changed):
        return compression.compress(
            model,
            techniques,
            lambda epochs: asked.append(epochs) or batches,
            steps_per_epoch=30,
            recipe=Train(loss="mean_distance", jit_compile=jit_compile),
            options=Export(**(vars(OPTIONS) | changed)),
            verbose=0,
        )

    runs = {
        "prune": run("prune", jit_compile=True),
        "2:4": run("prune", sparsity_pattern="2:4"),
        "cluster": run("cluster"),
        "qat": run("qat"),
        "prune,qat": run("prune", "qat"),
        "all": run("prune", "cluster", "qat"),
    }
    one, two, three = (range(i, i + 1) for i in range(3))
    assert asked == [one] * 4 + [one, two] + [one, two, three]
    return model, given, target, runs


def test_pruned_are_the_smallest(compressed):
    model, _, _, runs = compressed
    before = between(compression.folded(model))
    for name, kernel in between(runs["prune"]).items():
        assert (kernel == 0).mean() == pytest.approx(0.5, abs=1 / kernel.size)
        small = np.abs(before[name]) < np.median(np.abs(before[name]))
        # Training moves some of them past each other.
        assert (small == (kernel == 0)).mean() > 0.95
    for name in ("embedding", "poses_3d"):
        assert np.asarray(runs["prune"].get_layer(name).kernel).all()


def test_two_of_four_inputs_are_zero(compressed):
    for kernel in between(compressed[-1]["2:4"]).values():
        fours = kernel.T.reshape(len(kernel.T), -1, 4)
        assert ((fours == 0).sum(axis=-1) == 2).all()


def test_clusters_share_values(compressed):
    for kernel in between(compressed[-1]["cluster"]).values():
        assert len(np.unique(kernel)) == 5


def test_quantised_are_multiples_of_a_scale(compressed):
    for kernel in between(compressed[-1]["qat"]).values():
        # Four bits, symmetric: -7 to 7.
        multiples = 7 * kernel / np.abs(kernel).max(axis=0)
        np.testing.assert_allclose(multiples, multiples.round(), atol=1e-4)
        assert len(np.unique(multiples.round())) == 15


def test_each_keeps_what_came_before(compressed):
    runs = compressed[-1]
    for name in ("prune,qat", "all"):
        for kernel in between(runs[name]).values():
            assert (kernel == 0).mean() >= 0.5 - 1 / kernel.size
    for kernel in between(runs["all"]).values():
        assert len(np.unique(kernel)) <= 5
    for kernel in between(runs["prune,qat"]).values():
        assert max(len(np.unique(column)) for column in kernel.T) <= 15


def test_no_epochs_are_one_step():
    model = model_of()
    given = inputs_of(model)
    batch = tf.data.Dataset.from_tensors((given, np.asarray(model(given))))
    after = compression.compress(
        model,
        ("cluster",),
        lambda epochs: batch.repeat(len(epochs)),
        steps_per_epoch=30,
        recipe=Train(),
        options=Export(finetune_epochs=0),
        verbose=0,
    )
    for kernel in between(after).values():
        assert len(np.unique(kernel)) == 16


def test_fine_tuning_learns(compressed):
    model, given, target, runs = compressed

    def error(network):
        poses_3d = np.asarray(network(given))
        return np.linalg.norm(poses_3d - target, axis=-1).mean()

    for after in runs.values():
        assert error(after) < 0.9 * error(model)


def test_means_by_hand():
    kernel = np.float32([[0, 1, 1.5], [0, 8, 9], [-4, -5, 0]])
    found = compression._means(kernel, np.float32([-1, 0, 1, 2]), True)
    np.testing.assert_allclose(found, [-4.5, 0, 1.25, 8.5])
    found = compression._means(kernel, np.float32([7, 3, 5]), False)
    np.testing.assert_allclose(found, [-4.5, 0.5, 8.5])


@pytest.fixture(scope="module")
def exported(tmp_path_factory, make_poses):
    folder = tmp_path_factory.mktemp("run")
    model = model_of()
    model.save(folder / "last.keras")
    report = export(
        config_of(compression_mm=1e6),
        folder / "last.keras",
        make_poses(60),
        folder / "export",
        "float32",
        "dynamic_int8",
        training=make_poses(30, seed=1),
        techniques=("prune", "cluster"),
    )
    return model, folder, report


def config_of(**export):
    return Config(
        data=Data(dataset="synthetic"),
        model=Model(depth=1, width=48, heads=3),
        train=Train(batch_size=7, seed=3),
        export=Export(
            finetune_epochs=2,
            clusters=6,
            dynamic_int8_mm=1e5,
            kernels_mm=1e5,
            float32_mm=1,
            **export,
        ),
    )


def test_what_is_compressed_reaches_the_file(exported):
    _, folder, report = exported
    assert list(report["files"]) == [
        "prune_cluster_ampose_float32.tflite",
        "prune_cluster_ampose_dynamic_int8.tflite",
    ]
    path = folder / "export/prune_cluster_ampose_dynamic_int8.tflite"
    done = {
        "techniques": ["prune", "cluster"],
        "finetune_epochs": 2,
        "finetune_learning_rate": 3e-4,
        "sparsity": 0.5,
        "sparsity_pattern": "unstructured",
        "clusters": 6,
    }
    described = runtime.metadata(path)
    assert described["compression"] == done
    assert described["training_data"].startswith("not known; generated")
    measured = report["files"]["prune_cluster_ampose_dynamic_int8.tflite"]
    assert json.loads(json.dumps(measured["compression"])) == done
    assert measured["training_data"] == described["training_data"]
    assert measured["checkpoint"] == described["checkpoint"]
    assert described["checkpoint"].endswith("then prune, cluster")
    assert "compression" not in described["measured"]
    # Of the model itself.
    assert report["training_data"] == "not known"
    assert report["checkpoint"] == "last.keras: the last epoch"
    tables = flatbuffer.read(path.read_bytes())
    kernels = [
        np.frombuffer(tables.buffers[tensor.buffer].data, np.int8).reshape(
            tensor.shape
        )
        for tensor in tables.subgraphs[0].tensors
        if tensor.type == 9 and len(tensor.shape) == 2
    ]
    # Query, key and value; projection; both of the MLP; of two graph
    # convolutions a kernel for each group, which are pruned as one.
    assert len(kernels) == 4 + 2 * 3
    zeros = sum((kernel == 0).sum() for kernel in kernels)
    assert zeros >= 0.49 * sum(kernel.size for kernel in kernels)
    for kernel in kernels:
        assert (kernel == 0).mean() > 0.4
        assert max(len(np.unique(channel)) for channel in kernel) <= 6


def test_the_compressed_network_is_kept(exported, make_poses):
    _, folder, _ = exported
    poses = make_poses(5)
    expected = np.asarray(
        stored.load(folder / "export/prune_cluster_ampose.keras")(
            poses.keypoints_2d
        )
    )
    lift = runtime.tflite(
        folder / "export/prune_cluster_ampose_float32.tflite"
    )
    lifted = lift(keypoints_2d=poses.keypoints_2d)
    np.testing.assert_allclose(lifted, expected, atol=1e-5)


def test_changes_count_from_the_model_before(exported, make_poses):
    model, folder, report = exported
    poses = make_poses(60)
    lift = runtime.tflite(
        folder / "export/prune_cluster_ampose_float32.tflite"
    )
    change = [
        1000 * np.linalg.norm(poses_3d - poses.poses_3d, axis=-1).mean()
        for poses_3d in (
            center(lift(keypoints_2d=poses.keypoints_2d)),
            center(np.asarray(model(poses.keypoints_2d))),
        )
    ]
    measured = report["files"]["prune_cluster_ampose_float32.tflite"]
    assert abs(change[0] - change[1]) > 1  # of which 0.01 is rounding
    assert measured["mpjpe_change_mm"] == pytest.approx(
        change[0] - change[1], abs=1e-2
    )
    assert measured["max_mm"] < 1
    assert measured["converting_mpjpe_change_mm"] == pytest.approx(0, abs=0.1)


def center(poses_3d):
    return poses_3d - poses_3d[:, :1]


def test_a_missed_budget_is_put_aside(exported, make_poses):
    model, folder, _ = exported
    poses = make_poses(20)
    # What the model says is true, so that no other can be better.
    truth = center(np.asarray(model(poses.keypoints_2d)))
    report = export(
        config_of(compression_mm=0),
        folder / "last.keras",
        poses._replace(poses_3d=truth),
        folder / "missed",
        "float32",
        training=make_poses(30, seed=1),
        techniques=("prune",),
    )
    assert not report["files"]
    reason = report["rejected"]["prune_ampose_float32.tflite"]["reason"]
    assert "above that of the model before compression" in reason
    assert (folder / "missed/prune_ampose_float32.rejected.tflite").is_file()
    written = json.loads((folder / "missed/export.json").read_text())
    assert list(written["rejected"]) == ["prune_ampose_float32.tflite"]


@pytest.mark.parametrize(
    ("techniques", "formats", "message"),
    [
        (("quantise",), ("float32",), "compression quantise; expected some"),
        (("qat", "prune"), ("float32",), "misplaced compression qat,prune"),
        (("prune", "prune"), ("float32",), "repeated"),
        (("prune",), ("saved_model",), "for .tflite formats"),
    ],
)
def test_what_is_asked_is_checked(techniques, formats, message):
    with pytest.raises(ValueError, match=message):
        exporting.check(Choice(formats, techniques=techniques))


def test_names_the_extra_that_is_missing(monkeypatch):
    name = "tensorflow_model_optimization"
    monkeypatch.delitem(sys.modules, "ampose_tf.export.compression", False)
    monkeypatch.delattr("ampose_tf.export.compression", raising=False)
    monkeypatch.setitem(sys.modules, name, None)
    extra = r"pip install 'ampose_tf\[compression\]'"
    with pytest.raises(ValueError, match=f"{name}: {extra}"):
        exporting.check(Choice(("float32",), techniques=("prune",)))


@pytest.mark.parametrize(
    ("section", "field", "value", "message"),
    [
        ("model", "seen_input", True, "with the config of its run"),
        ("train", "lifter", "x.keras", "the config of the lifter's run"),
    ],
)
def test_compression_needs_the_models_config(
    exported, make_poses, section, field, value, message
):
    _, folder, _ = exported
    config = config_of()
    setattr(getattr(config, section), field, value)
    with pytest.raises(ValueError, match=message):
        export(
            config,
            folder / "last.keras",
            make_poses(20),
            folder / "nothing",
            "float32",
            training=make_poses(30, seed=1),
            techniques=("prune",),
        )
    assert not (folder / "nothing").exists()


def test_refined_lifters_are_not_compressed(exported, make_poses, tmp_path):
    _, folder, _ = exported
    lifter = stored.load(folder / "last.keras")
    path = tmp_path / "refined.keras"
    RefinedLifter(lifter.get_config()).save(path)
    with pytest.raises(
        ValueError, match="refined.keras: .*not support pose refi"
    ):
        export(
            config_of(),
            path,
            make_poses(20),
            tmp_path,
            "float32",
            training=make_poses(30, seed=1),
            techniques=("prune",),
        )


def test_a_folder_that_cannot_be_is_found_before_training(
    exported, make_poses, tmp_path, monkeypatch
):
    _, folder, _ = exported
    occupied = tmp_path / "occupied"
    occupied.write_text("a file")
    monkeypatch.setattr(compression, "compress", None)
    with pytest.raises(OSError, match="occupied"):
        export(
            config_of(),
            folder / "last.keras",
            make_poses(20),
            occupied / "export",
            "float32",
            training=make_poses(30, seed=1),
            techniques=("prune",),
        )


def test_formats_by_default():
    for techniques in ((), ("prune", "cluster")):
        formats = exporting.default_formats(techniques)
        exporting.check(Choice(formats, techniques=techniques))
        assert ("saved_model" in formats) == (not techniques)
        assert formats[-1] == "dynamic_int8"


def test_compression_needs_poses(exported, make_poses):
    _, folder, _ = exported
    with pytest.raises(ValueError, match="needs training poses; got none"):
        export(
            config_of(),
            folder / "last.keras",
            make_poses(20),
            folder / "nothing",
            "float32",
            techniques=("prune",),
        )
    assert not (folder / "nothing").exists()

import csv
import dataclasses
import pathlib
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

from ampose_tf import config as configuration
from ampose_tf import exporting, training, weights
from ampose_tf.config import Config, Data, Detector, Model, Train
from ampose_tf.data.mocap import Motion3D
from ampose_tf.evaluation import metrics
from ampose_tf.models import stored
from ampose_tf.models.ampose import AMPose
from ampose_tf.models.distillation import Distillation
from ampose_tf.models.losses import LOSSES
from ampose_tf.models.recorder import Recorder
from ampose_tf.skeleton import H36M_16, H36M_17, Skeleton
from tests.people import STANDING

THREE = Skeleton(
    ("hip", "right", "left"), (-1, 0, 0), left=(2,), right=(1,)
).adjacency()


def made(adjacency=THREE, seed=0, **arguments):
    """A model whose poses reach a metre; a new head's are all but zero."""
    keras.utils.set_random_seed(seed)
    model = AMPose(
        adjacency, **({"depth": 1, "width": 4, "heads": 2} | arguments)
    )
    head = model.get_layer("poses_3d").kernel
    random = np.random.default_rng(seed)
    head.assign(random.normal(0, 0.3, head.shape))
    return model


def batch(seen_input=False, count=5, seed=0):
    random = np.random.default_rng(seed)
    inputs = random.uniform(-1, 1, (count, 3, 2)).astype(np.float32)
    if seen_input:
        seen = random.integers(0, 2, (count, 3)).astype(np.float32)
        inputs = {"keypoints_2d": inputs, "seen": seen}
    return inputs, random.normal(0, 0.5, (count, 3, 3)).astype(np.float32)


def compiled(model, loss, rate=1.0, **how):
    optimizer = keras.optimizers.SGD(rate)
    model.compile(optimizer, LOSSES[loss], **how)
    return model


def assert_equal(one, other):
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)


def always(*place):
    """A model with every joint of every pose at one place."""
    model = made()
    head = model.get_layer("poses_3d")
    head.kernel.assign(np.zeros_like(head.kernel))
    head.bias.assign(place)
    return model


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        ("mean_distance", 0.75 * 0.3 + 0.25 * 0.4),
        ("mse_joint", 0.75 * 0.09 + 0.25 * 0.16),
    ],
)
def test_the_loss_is_shared_by_truth_and_teacher(loss, expected):
    model = Distillation(always(0.3, 0, 0), always(0.3, 0.4, 0), 0.25)
    inputs, _ = batch()
    logs = compiled(model, loss).evaluate(
        inputs, np.zeros((5, 3, 3)), verbose=0, return_dict=True
    )
    assert logs["loss"] == pytest.approx(expected, rel=1e-5)
    # All joints are moved alike, and hips are subtracted.
    assert logs["to_teacher_mm"] == pytest.approx(0, abs=1e-3)


def test_the_distance_to_the_teacher_is_logged():
    student, teacher = made(seed=1), made(seed=2, depth=2, width=6)
    inputs, truth = batch()
    model = compiled(Distillation(student, teacher, 0.5), "mse_joint")
    logs = model.evaluate(inputs, truth, verbose=0, return_dict=True)
    expected = metrics.mpjpe(
        *(np.array(m(inputs)) for m in (student, teacher))
    )
    assert logs["to_teacher_mm"] == pytest.approx(1000 * expected.mean())
    assert logs["to_teacher_mm"] > 100


@pytest.mark.parametrize(
    ("loss", "seen_input", "jit_compile"),
    [("mean_distance", True, True), ("mse_joint", False, False)],
)
def test_a_step_by_a_slow_loop(loss, seen_input, jit_compile):
    student = made(seed=1, seen_input=seen_input)
    teacher = made(seed=2, seen_input=seen_input, depth=2, width=6)
    untouched = teacher.get_weights()
    inputs, truth = batch(seen_input)
    with tf.GradientTape() as tape:
        predicted, taught = student(inputs, training=True), teacher(inputs)
        total = 0.0
        for n in range(5):
            for j in range(3):
                for share, target in ((0.7, truth), (0.3, taught)):
                    offset = predicted[n, j] - target[n, j]
                    squared = tf.reduce_sum(offset**2)
                    if loss == "mean_distance":
                        squared = tf.sqrt(squared)
                    total += share * squared / 15
    gradients = tape.gradient(
        total, [v.value for v in student.trainable_variables]
    )
    before = student.get_weights()
    model = compiled(
        Distillation(student, teacher, 0.3), loss, jit_compile=jit_compile
    )
    history = model.fit(inputs, truth, verbose=0).history
    assert history["loss"] == [pytest.approx(float(total), rel=1e-5)]
    for old, new, gradient in zip(
        before, student.get_weights(), gradients, strict=True
    ):
        np.testing.assert_allclose(old - new, gradient, rtol=1e-3, atol=1e-5)
    assert_equal(teacher.get_weights(), untouched)


def test_without_weight_the_teacher_has_no_say():
    alone, taught = made(seed=1), made(seed=1)
    data = batch()
    compiled(alone, "mse_joint", 0.1).fit(*data, epochs=3, verbose=0)
    model = Distillation(taught, made(seed=2), 0.0)
    compiled(model, "mse_joint", 0.1).fit(*data, epochs=3, verbose=0)
    moved = False
    for a, b, new in zip(
        *(m.get_weights() for m in (alone, taught, made(seed=1))), strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)
        moved |= np.abs(a - new).max() > 1e-3
    assert moved


def test_a_student_that_is_its_teacher_has_nothing_to_learn():
    teacher = made(seed=1)
    student = teacher.rebuilt()
    model = compiled(Distillation(student, teacher, 1.0), "mse_joint")
    logs = model.fit(*batch(), verbose=0).history
    assert logs["loss"] == logs["to_teacher_mm"] == [0.0]
    assert_equal(student.get_weights(), teacher.get_weights())


def test_the_teacher_is_no_part():
    student, teacher = made(seed=1, dropout=0.1), made(seed=2, depth=2)
    model = Distillation(student, teacher, 0.5)
    assert [id(v) for v in model.variables] == [
        id(v) for v in student.variables
    ]
    copy = model.rebuilt()
    assert type(copy) is AMPose
    assert_equal(copy.get_weights(), student.get_weights())


# As `training` has it.


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    """A file, of another size than the students."""
    path = tmp_path_factory.mktemp("teacher") / "ampose.keras"
    made(H36M_17.adjacency(), 2, depth=2, seen_input=True).save(path)
    return path


def small_config(teacher="", **recipe):
    """Drawn cameras, a network that is told what was seen, and dropout."""
    return Config(
        Data(
            dataset="mocap",
            training_cameras="drawn",
            poses_per_epoch=24,
            # Detectors' landmarks take seconds to trace.
            detector=Detector(exact=1),
        ),
        Model(depth=1, width=4, heads=2, seen_input=True, dropout=0.1),
        Train(
            epochs=2,
            batch_size=8,
            loss="mean_distance",
            learning_rate=1e-2,
            teacher=str(teacher),
            **recipe,
        ),
    )


MOTION = Motion3D(
    np.tile(STANDING, (3, 1, 1)).astype(np.float32),
    np.full(3, "P"),
    np.zeros(3, np.int32),
    ("P/a",),
    ("stands",),
)


@pytest.fixture(scope="module")
def run(teacher, make_poses, tmp_path_factory):
    """The folder of a finished run."""
    folder = tmp_path_factory.mktemp("runs") / "taught"
    training.train(small_config(teacher), MOTION, make_poses(5), folder)
    return folder


def test_a_run_leaves_a_student_without_a_teacher(run, teacher):
    student = training.build(small_config())
    for name in ("best.keras", "last.keras"):
        saved = keras.models.load_model(run / name, safe_mode=True)
        assert type(saved) is AMPose
        assert saved.count_params() == student.count_params()
    with np.load(run / "checkpoint.npz") as checkpoint:
        models = [n for n in checkpoint.files if n.startswith("model_")]
    assert len(models) == len(student.variables)
    with open(run / "history.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2
    for name in ("val_mpjpe_mm", "to_teacher_mm", "val_to_teacher_mm"):
        assert all(float(row[name]) > 0 for row in rows)


def test_a_killed_run_goes_on(run, teacher, make_poses, tmp_path, monkeypatch):
    """Bitwise the state of a run that was never killed."""
    config, begin = small_config(teacher), Recorder.on_epoch_begin

    def die(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt
        begin(self, epoch, logs)

    with monkeypatch.context() as patched:
        patched.setattr(Recorder, "on_epoch_begin", die)
        with pytest.raises(KeyboardInterrupt):
            training.train(config, MOTION, make_poses(5), tmp_path)
    training.train(config, MOTION, make_poses(5), tmp_path)
    assert_equal(
        *(stored.load(f / "last.keras").get_weights() for f in (run, tmp_path))
    )
    with (
        np.load(run / "checkpoint.npz") as one,
        np.load(tmp_path / "checkpoint.npz") as other,
    ):
        names = set(one.files) - {"progress"}
        assert names == set(other.files) - {"progress"}
        assert_equal([one[n] for n in names], [other[n] for n in names])


def test_another_teacher_under_the_same_name(
    run, teacher, make_poses, tmp_path
):
    """Half a run of one and half of another would be nobody's."""
    folder = shutil.copytree(run, tmp_path / "run")
    path = shutil.copy(teacher, tmp_path / "ampose.keras")
    config = small_config(path)
    (folder / "config.json").write_text(configuration.to_json(config))
    poses = make_poses(5)
    training.train(config, MOTION, poses, folder)  # The same file elsewhere.
    before = (folder / "checkpoint.npz").read_bytes()
    made(H36M_17.adjacency(), 3, seen_input=True).save(path)
    with pytest.raises(ValueError, match=f"{path} is not the teacher that"):
        training.train(config, MOTION, poses, folder)
    assert (folder / "checkpoint.npz").read_bytes() == before


def test_fixed_cameras_and_mixed_precision(tmp_path, make_poses):
    path = tmp_path / "teacher.keras"
    made(H36M_17.adjacency(), 2).save(path)
    config = small_config(path, precision="mixed_float16", jit_compile=True)
    config.data = Data()
    config.model.seen_input = False
    model = training.build(config)
    training.compile_for(model, config, 3)
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    config.train.epochs = 1
    poses = make_poses(16), make_poses(5)
    training.train(config, *poses, tmp_path / "run")
    saved = stored.load(tmp_path / "run/last.keras")
    assert saved.dtype_policy.name == "float32"


def test_a_student_begins_as_without_a_teacher(teacher):
    assert_equal(
        training.build(small_config(teacher)).get_weights(),
        training.build(small_config()).get_weights(),
    )


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (None, "no model .*teacher.keras"),
        (
            lambda: keras.Sequential(
                [keras.Input((17, 2)), keras.layers.Dense(3)]
            ),
            "holds a Sequential, not an AMPose",
        ),
        (
            lambda: made(H36M_16.adjacency(), seen_input=True),
            "has 16 joints, the config's data 17",
        ),
        (
            lambda: made(
                H36M_17.adjacency(), seen_input=True, normalisation="width"
            ),
            "normalised by 'width', the config by 'longest'",
        ),
        (
            lambda: made(H36M_17.adjacency()),
            "its model.seen_input is False, the config's is True",
        ),
    ],
    ids=["missing", "another", "joints", "normalisation", "seen_input"],
)
def test_a_teacher_that_does_not_fit(model, message, tmp_path, make_poses):
    path = tmp_path / "teacher.keras"
    if model:
        model().save(path)
    with pytest.raises((OSError, ValueError), match=message) as caught:
        training.train(
            small_config(path), MOTION, make_poses(5), tmp_path / "run"
        )
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_run_does_not_overwrite_its_teacher(tmp_path):
    for field in ("teacher", "lifter"):
        config = dataclasses.replace(
            Config(), train=Train(**{field: str(tmp_path / "last.keras")})
        )
        with pytest.raises(
            ValueError, match="the lifter or teacher of this run; choo"
        ):
            training.claim(tmp_path, config)
    assert not list(tmp_path.iterdir())


def test_a_student_names_its_teachers_data(tmp_path):
    path = tmp_path / "last.keras"

    def origin(teacher):
        config = Config(
            Data(dataset="mocap", root=str(tmp_path), archives=("a",)),
            train=Train(teacher=str(teacher)),
        )
        text = configuration.to_json(config)
        (tmp_path / "config.json").write_text(text)
        return exporting.origin_of(path)

    (tmp_path / "a.json").write_text('{"licence": "free"}')
    known = origin(tmp_path / "nowhere/last.keras")
    assert known["licence"] == "not known; free"
    # Released models have no config.json, but exported files that say it.
    known = origin(weights.AMPOSE_S)
    assert known["training_data"].startswith("motion archive cmu17 + cmu_daz")
    assert known["training_data"].endswith("; " + origin("")["training_data"])
    assert known["licence"].startswith("CMU Graphics Lab Motion Capture")
    assert known["licence"].endswith("; free")
    # Compressed on the same data as it learnt from.
    again = exporting._joined(known, origin(""))
    assert again == known
    copy = shutil.copy(weights.AMPOSE_S, tmp_path / "elsewhere.keras")
    (tmp_path / "config.json").unlink()
    assert exporting.origin_of(pathlib.Path(copy))["licence"] == "not known"

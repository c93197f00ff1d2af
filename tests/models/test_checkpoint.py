import json

import keras
import numpy as np
import pytest

from ampose_tf.models import checkpoint
from ampose_tf.models.ampose import AMPose
from ampose_tf.models.checkpoint import Progress, Unfinished
from ampose_tf.models.losses import mse_joint
from ampose_tf.skeleton import Skeleton

ADJACENCY = Skeleton(
    ("hip", "right", "left"), (-1, 0, 0), left=(2,), right=(1,)
).adjacency()
PROGRESS = Progress(
    [
        {"epoch": 1, "loss": 0.1, "val_mpjpe_mm": 1 / 3},
        {"epoch": 2, "loss": 7.0, "val_mpjpe_mm": 0.3},
    ],
    1,
    "ab" * 32,
    {"training": "cd" * 32, "validation": "ef" * 32},
    {"data/poses.npz": (17, "01" * 32)},
    Unfinished(3, 1e-3, 2.5, [0.1, 7.0]),
)


def as_json(progress):
    """Returns the fields that stand in the file."""
    fields = progress._asdict()
    fields["unfinished"] = progress.unfinished._asdict()
    return json.loads(json.dumps(fields))


def make_model(seed=3, optimizer=None, **options):
    keras.utils.set_random_seed(seed)
    options = {
        "depth": 1,
        "width": 4,
        "heads": 2,
        "dropout": 0.5,
        "gcn_norm": "bn",
    } | options
    model = AMPose(ADJACENCY, **options)
    model.compile(
        optimizer or keras.optimizers.Adam(0.01),
        loss=mse_joint,
        run_eagerly=True,
        jit_compile=False,
    )
    return model


def step(model, times):
    random = np.random.default_rng(times)
    for _ in range(times):
        model.train_on_batch(
            random.normal(size=(5, 3, 2)).astype(np.float32),
            random.normal(size=(5, 3, 3)).astype(np.float32),
        )
    return model


def state(model):
    """Every number that the next step depends on, as bytes."""
    return [
        (tuple(variable.shape), np.array(variable).tobytes())
        for variable in (*model.variables, *model.optimizer.variables)
    ]


@pytest.mark.parametrize(
    "policy", ["float32", "mixed_float16", "mixed_bfloat16"]
)
def test_training_goes_on_as_if_it_had_never_stopped(tmp_path, policy):
    path = tmp_path / "checkpoint.npz"
    model = step(make_model(dtype=policy), 3)
    checkpoint.save(path, model, PROGRESS)
    stopped = state(model)
    # Another process draws other weights and other seeds.
    resumed = make_model(seed=4, dtype=policy)
    assert checkpoint.restore(path, resumed) == PROGRESS
    assert state(resumed) == stopped
    # A step whose scaled gradients overflow does not count.
    iterations = int(resumed.optimizer.iterations)
    assert 0 < iterations <= 3
    assert iterations == 3 or policy == "mixed_float16"
    assert state(step(resumed, 2)) == state(step(model, 2))
    assert state(resumed) != stopped


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_a_used_model_is_overwritten(tmp_path, policy):
    path = tmp_path / "checkpoint.npz"
    model = step(make_model(dtype=policy), 2)
    checkpoint.save(path, model, PROGRESS)
    stopped = state(model)
    checkpoint.restore(path, step(model, 3))
    assert state(model) == stopped


def test_everything_is_in_the_file(tmp_path):
    path = tmp_path / "checkpoint.npz"
    # A scale so small that no gradient overflows.
    optimizer = keras.optimizers.LossScaleOptimizer(
        keras.optimizers.Adam(0.01), initial_scale=32
    )
    model = step(make_model(dtype="mixed_float16", optimizer=optimizer), 3)
    checkpoint.save(path, model, PROGRESS)
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in stored.files}
    assert json.loads(str(arrays.pop("progress"))) == as_json(PROGRESS)
    paths = [v.path for v in (*model.variables, *model.optimizer.variables)]
    values = dict(zip(paths, arrays.values(), strict=True))

    def ending(text):
        return [values[path] for path in paths if path.endswith(text)]

    # The generator of one dropout layer, drawn from twice a step.
    ((_, draws),) = ending("seed_generator_state")
    assert draws == 6
    assert len(ending("moving_mean")) == 2
    assert len(ending("embedding_kernel_momentum")) == 1
    assert len(ending("embedding_kernel_velocity")) == 1
    assert np.abs(ending("embedding_kernel_velocity")[0]).max() > 0
    # Adam's steps, and those since the loss was scaled otherwise.
    assert max(ending("/iteration")) == 3
    assert ending("step_counter") == [3]
    assert ending("dynamic_scale") == [32]


def test_a_scale_that_has_changed(tmp_path):
    path = tmp_path / "checkpoint.npz"
    # The statistics of batch norms would be infinite.
    model = make_model(dtype="mixed_float16", gcn_norm="ln")
    # What overflows halves the scale and does not step.
    model.train_on_batch(
        np.full((5, 3, 2), 1e30, np.float32), np.zeros((5, 3, 3), np.float32)
    )
    assert float(model.optimizer.dynamic_scale) == 2**14
    checkpoint.save(path, model, PROGRESS)
    resumed = make_model(seed=4, dtype="mixed_float16", gcn_norm="ln")
    checkpoint.restore(path, resumed)
    assert float(resumed.optimizer.dynamic_scale) == 2**14


def test_progress_of_nothing_yet(tmp_path):
    path = tmp_path / "checkpoint.npz"
    model = step(make_model(), 1)
    checkpoint.save(path, model, Progress([], 0))
    assert checkpoint.restore(path, model) == Progress([], 0)


def test_a_failure_leaves_the_older_one(tmp_path, monkeypatch):
    path = tmp_path / "checkpoint.npz"
    model = step(make_model(), 1)
    checkpoint.save(path, model, PROGRESS)
    before = path.read_bytes()

    def fail(file, **arrays):
        file.write(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(np, "savez", fail)
    with pytest.raises(OSError, match="no space left"):
        checkpoint.save(path, model, PROGRESS)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def assert_refused(path, model, message):
    before = state(model)
    with pytest.raises(ValueError, match=message) as caught:
        checkpoint.restore(path, model)
    assert str(path) in str(caught.value)
    # The model is not left with a mixture of two.
    assert state(model) == before


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "checkpoint.npz"
    model = step(make_model(), 1)
    checkpoint.save(path, model, PROGRESS)
    return path, model


@pytest.mark.parametrize("share", [0, 0.01, 0.3, 0.9, 0.999])
def test_a_truncated_file(saved, share):
    path, model = saved
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    assert_refused(path, model, "damaged checkpoint")


@pytest.mark.parametrize("name", ["model_0", "optimizer_1", "progress"])
def test_a_bit_that_has_flipped(saved, name):
    path, model = saved
    content = bytearray(path.read_bytes())
    # The last byte of the member's array, which its checksum covers.
    following = content.index(b"PK", content.index(f"{name}.npy".encode()))
    content[following - 1] ^= 4
    path.write_bytes(content)
    assert_refused(path, model, "damaged checkpoint")


@pytest.mark.parametrize(
    "content", [b"some text", b"\x93NUMPY", b"PK\x03\x04"]
)
def test_another_kind_of_file(tmp_path, content):
    path = tmp_path / "checkpoint.npz"
    path.write_bytes(content)
    assert_refused(path, step(make_model(), 1), "damaged checkpoint")


@pytest.mark.parametrize(
    "progress", [None, "", "3", "[]", "{}", '{"history": []}', '{"epoch": 3}']
)
def test_progress_that_is_none(saved, progress):
    path, model = saved
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in stored.files}
    del arrays["progress"]
    if progress is not None:
        arrays["progress"] = np.array(progress)
    np.savez(path, **arrays)
    assert_refused(path, model, "damaged checkpoint")


DEEP = "[" * 100_000


def spoilt(*path_and_value):
    """Returns the text of a progress with one value changed."""
    fields = inner = as_json(PROGRESS)
    *path, last, value = path_and_value
    for name in path:
        inner = inner[name]
    inner[last] = value
    return json.dumps(fields)


@pytest.mark.parametrize(
    ("progress", "field"),
    [
        (DEEP, "nested too deeply"),
        (spoilt("history", 3), "history"),
        (spoilt("history", [3]), "history: epoch 1"),
        (spoilt("history", [{"loss": 1}]), "history: epoch 1"),
        (spoilt("history", 0, "loss", "x"), "epoch 1: loss"),
        (spoilt("history", 1, "loss", float("nan")), "epoch 2: loss"),
        (spoilt("history", 1, "loss", float("inf")), "epoch 2: loss"),
        (spoilt("history", 1, "loss", 10**400), "epoch 2: loss"),
        (spoilt("history", 1, "loss", True), "epoch 2: loss"),
        (spoilt("history", 1, "epoch", 5), "epoch 2: expected epoch=2"),
        (spoilt("history", 1, "a\nb", 5), "epoch 2: expected the same fields"),
        (spoilt("history", []), "best_epoch"),
        (spoilt("best_epoch", 0), "best_epoch"),
        (spoilt("best_epoch", 2), "best_epoch"),
        (spoilt("best_epoch", -1), "best_epoch"),
        (spoilt("best_epoch", 1.0), "best_epoch"),
        (spoilt("best_epoch", None), "best_epoch"),
        (spoilt("teacher_sha256", 3), "teacher_sha256"),
        (spoilt("teacher_sha256", "x"), "teacher_sha256"),
        (spoilt("data", []), "data"),
        (spoilt("data", {"training": "ab" * 32}), "data"),
        (spoilt("data", "training", "x"), "data: training"),
        (spoilt("sources", []), "sources"),
        (spoilt("sources", "x", 3), "sources: file 2"),
        (spoilt("sources", "x", [-1, "ab" * 32]), "sources: file 2"),
        (spoilt("sources", "x", [1, "a"]), "sources: file 2"),
        (spoilt("unfinished", 3), "unfinished"),
        (spoilt("unfinished", {"steps": 3}), "unfinished"),
        (spoilt("unfinished", "steps", 1.5), "unfinished: steps"),
        (spoilt("unfinished", "learning_rate", "x"), "learning_rate"),
        (spoilt("unfinished", "seconds", -1), "unfinished: seconds"),
        (spoilt("unfinished", "metrics", 3), "unfinished: metrics"),
        (spoilt("unfinished", "metrics", [None]), "unfinished: metrics"),
        (spoilt("more", 3), "expected fields history"),
    ],
)
def test_values_of_progress_are_checked(saved, progress, field):
    path, model = saved
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in stored.files}
    np.savez(path, **arrays | {"progress": np.array(progress)})
    assert_refused(path, model, rf"damaged checkpoint \(progress: .*{field}")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda array: array * np.nan, "damaged checkpoint .model_1: "),
        (lambda array: array.astype(np.float64), "model_1: expected dtype"),
        (lambda array: array[..., None], "model_1: expected shape"),
        (lambda array: np.array({"a": 1}), "model_1: expected an array"),
        (lambda array: array.astype("S"), "model_1: expected dtype"),
    ],
)
def test_values_of_arrays_are_checked(saved, make, message):
    path, model = saved
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in stored.files}
    changed = {"model_1": make(arrays["model_1"])}
    np.savez(path, **arrays | changed)
    assert_refused(path, model, message)


def test_an_archive_that_unpacks_to_too_much(saved):
    path, model = saved
    np.savez_compressed(path, progress=np.zeros(2**28, np.uint8))
    assert_refused(path, model, "unpacks to more than")


def test_no_code_of_the_file_runs(saved):
    path, model = saved
    np.savez(path, progress=np.array([object], object))
    assert_refused(path, model, "damaged checkpoint")


@pytest.mark.parametrize(
    "options",
    [
        {"width": 6},
        {"depth": 2},
        {"dropout": 0.0},
        {"gcn_norm": "ln"},
        {"dtype": "mixed_float16"},
        {"optimizer": "sgd"},
    ],
    ids=lambda options: next(iter(options)),
)
def test_a_checkpoint_of_another_model(saved, options):
    path, _ = saved
    model = step(make_model(**options), 1)
    assert_refused(path, model, "checkpoint of another model")


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="checkpoint.npz"):
        checkpoint.restore(tmp_path / "checkpoint.npz", make_model())

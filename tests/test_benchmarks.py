"""What the benchmarks compare is the same network."""

import collections
import pathlib
import re
import subprocess
import sys

import keras
import numpy as np
import pytest

from ampose_tf import weights
from ampose_tf.config import Config, commandline
from ampose_tf.data.mocap import Motion3D
from ampose_tf.evaluation import report
from ampose_tf.export import flatbuffer, runtime, tflite
from ampose_tf.models import stored
from ampose_tf.models.ampose import AMPose
from ampose_tf.skeleton import H36M_17
from benchmarks import (
    baselines,
    cards,
    distillation,
    gallery,
    mobile,
    operator_times,
    repeats,
    runtimes,
    train_step,
)

ROOT = pathlib.Path(__file__).parents[1]
FOLDER = ROOT / "benchmarks"


@pytest.fixture(scope="module")
def onnx_peer():
    for package in ("onnx", "onnxruntime"):
        pytest.importorskip(package, reason=f"{package} is not installed")
    from benchmarks import onnx_peer

    return onnx_peer


@pytest.fixture(scope="module")
def torch_peer():
    pytest.importorskip("torch", reason="torch is not installed")
    from benchmarks import torch_peer

    return torch_peer


def run(script, *arguments):
    """Runs a script as from the command line; returns its exit status."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["script.py", *arguments])
        with pytest.raises(SystemExit) as ended:
            commandline.run(script.main, script.define_flags)
    return ended.value.code or 0


def test_a_mistake_in_a_flag_is_one_line(capsys):
    assert run(mobile, "--rounds=0") == 2
    line = capsys.readouterr().err
    assert line.startswith("script.py: ") and line.count("\n") == 1
    assert "--rounds=0" in line


def small_model(**design):
    """A model in which no bias is zero and no scale is one."""
    keras.utils.set_random_seed(5)
    model = AMPose(H36M_17.adjacency(), depth=2, width=16, heads=2, **design)
    random = np.random.default_rng(5)
    for variable in model.variables:
        noise = random.normal(0, 0.2, variable.shape)
        variable.assign(variable + noise.astype(np.float32))
    return model


def run_onnx(content, inputs):
    lift = runtimes.RUNTIMES["ONNX Runtime"]()(content, 1)
    count = len(inputs["keypoints_2d"])
    return np.concatenate(
        [
            lift(**{n: a[i : i + 1] for n, a in inputs.items()})
            for i in range(count)
        ]
    )


def partly_seen(poses):
    """Inputs of `lift`, nobody seen in one pose, and where nothing is."""
    seen = np.random.default_rng(1).random((poses.count, 17)) > 0.2
    seen[0] = False
    keypoints_2d = poses.keypoints_2d.copy()
    keypoints_2d[1] = 0.5
    return {"keypoints_2d": keypoints_2d, "seen": seen.astype(np.float32)}


# Of the embedding's inputs; the released models have the last.
INPUTS = [
    {},
    {"frame": "person"},
    {"seen_input": True},
    {"seen_input": True, "frame": "person"},
]


def inputs_of(model, poses):
    """Inputs of `lift`, and what the model makes of them."""
    inputs = partly_seen(poses)
    if not model.seen_input:
        inputs.pop("seen")
    expected = model(inputs if model.seen_input else inputs["keypoints_2d"])
    assert np.ptp(expected) > 1  # of which 1e-5 is a rounding error
    return inputs, np.asarray(expected)


@pytest.mark.parametrize(
    "design", [{"attention_scale": "full_dim"}, *INPUTS], ids=str
)
def test_onnx_peer_is_the_same_network(onnx_peer, design, make_poses):
    model = small_model(**design)
    inputs, expected = inputs_of(model, make_poses(7))
    lifted = run_onnx(onnx_peer.float32(model), inputs)
    np.testing.assert_allclose(lifted, expected, atol=1e-5)


@pytest.mark.parametrize("design", INPUTS, ids=str)
def test_torch_peer_is_the_same_network(
    torch_peer, design, make_poses, tmp_path
):
    model = small_model(**design)
    inputs, expected = inputs_of(model, make_poses(7))
    path = tmp_path / "peer.pt"
    torch_peer.save(model, path)
    tensors = {n: torch_peer.torch.tensor(a) for n, a in inputs.items()}
    for made in (torch_peer.peer_of(model), torch_peer.load(path)):
        lifted = made(**tensors).detach().numpy()
        np.testing.assert_allclose(lifted, expected, atol=1e-5)


def test_onnx_peer_is_the_released_model(onnx_peer, make_poses):
    model = stored.load(weights.AMPOSE_S)
    inputs, expected = inputs_of(model, make_poses(3))
    lifted = run_onnx(onnx_peer.float32(model), inputs)
    np.testing.assert_allclose(lifted, expected, atol=1e-5)


def test_torch_peer_is_the_released_model(torch_peer, make_poses):
    model = stored.load(weights.AMPOSE_S)
    inputs, expected = inputs_of(model, make_poses(3))
    tensors = {n: torch_peer.torch.tensor(a) for n, a in inputs.items()}
    lifted = torch_peer.peer_of(model)(**tensors).detach().numpy()
    np.testing.assert_allclose(lifted, expected, atol=1e-5)


def test_quantised_onnx_peer_is_near(onnx_peer, make_poses):
    model = small_model()
    inputs, expected = inputs_of(model, make_poses(7))
    lifted = run_onnx(onnx_peer.dynamic_int8(model), inputs)
    deviation = np.abs(lifted - expected).mean()
    assert 1e-5 < deviation < 0.1 * np.abs(expected).mean()


@pytest.mark.parametrize(
    "design",
    [
        {"gcn": "convnext"},
        {"residual_from": "input"},
        {"gcn_norm": "bn"},
        {"gcn_act": "relu"},
        {"gc_bias": "shared"},
        {"position": "shared"},
        {"final_norm": True},
    ],
    ids=lambda design: next(iter(design)),
)
def test_onnx_peer_refuses_other_designs(onnx_peer, design):
    with pytest.raises(ValueError, match=next(iter(design))):
        onnx_peer.float32(small_model(**design))


@pytest.fixture(scope="module")
def timed(tmp_path_factory):
    """A small model, a `.tflite` beside it, and another's."""
    folder = tmp_path_factory.mktemp("timed")
    model = small_model(seen_input=True, frame="person")
    model.save(folder / "small.keras")
    path = folder / "small_dynamic_int8.tflite"
    tflite.write(model, path, "dynamic_int8", "")
    tflite.write(small_model(), folder / "other.tflite", "float32", "")
    return folder


def test_mobile_prints_a_table(onnx_peer, timed, monkeypatch, capsys):
    further = timed / "small_dynamic_int8.tflite"
    # Without PyTorch, whether it is here or not.
    monkeypatch.setitem(sys.modules, "torch", None)
    # From a folder in which the package `benchmarks` is not, and its files.
    monkeypatch.chdir(timed)
    status = run(
        mobile,
        "--rounds=1",
        "--starts=1",
        "--formats=float32,dynamic_int8",
        "--model=small.keras",
        f"--file={further.name}",
    )
    printed = capsys.readouterr().out
    assert status == 0
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in printed.splitlines()
        if line.startswith("| ")
    ]
    assert rows[0][:2] == ["small", "runtime"]
    assert [row[:2] for row in rows[1:]] == [
        ["float32", "LiteRT"],
        ["dynamic_int8", "LiteRT"],
        ["float32", "ONNX Runtime"],
        ["dynamic_int8", "ONNX Runtime"],
        ["small_dynamic_int8", "LiteRT"],
    ]
    for row in rows[1:]:
        size, first, _, *times = row[2:]
        assert float(size) > 0 and float(first) > 0
        for median, percentile, ratio in (times[:3], times[3:]):
            assert 0 < float(median) <= float(percentile)
            assert float(ratio.removeprefix("× ")) > 0
    # What lies beside the model is taken, and not made again.
    assert float(rows[2][2]) == round(further.stat().st_size / 1e6, 2)
    for row in rows[3:5]:
        assert row[7] == row[10] == "× 1.00"
    assert "Without PyTorch: torch is not installed" in printed
    assert "; 1 rounds of 30 calls, 1 starts; " in printed


def test_mobile_names_files_that_it_cannot_time(timed):
    model = stored.load(timed / "small.keras")
    with pytest.raises(OSError, match="no file .*none.tflite"):
        mobile._further(timed / "none.tflite", model)
    with pytest.raises(ValueError, match="other.tflite: .*'seen'.*, got {'k"):
        mobile._further(timed / "other.tflite", model)


def test_processes_of_mobile(timed, make_poses):
    """Of every runtime that is here: what it lifts, and how it fails."""
    inputs, _ = inputs_of(stored.load(timed / "small.keras"), make_poses(3))
    path = timed / "inputs.npz"
    np.savez(path, **{n: a[:, None] for n, a in inputs.items()})
    file = timed / "small_dynamic_int8.tflite"
    with runtimes.Process("LiteRT", file, path) as held:
        expected = runtime.tflite(file)(**inputs)
        np.testing.assert_allclose(held.poses_3d, expected, atol=1e-6)
        assert held.first_ms > 0
        if sys.platform == "linux":
            assert 0 < held.megabytes < 50
        for calls in (2, 5):
            seconds = held.seconds(calls)
            assert seconds.shape == (calls,) and (seconds > 0).all()
    with pytest.raises(ValueError, match=r"LiteRT, .*inputs\.npz: "):
        runtimes.Process("LiteRT", path, path)


def test_ratios_are_to_onnx_runtime_of_the_same_round():
    ours, theirs, more = (
        mobile.Entry(*names, None)
        for names in (
            ("qat_int8", "LiteRT"),
            ("dynamic_int8", "ONNX Runtime"),
            ("float32", "LiteRT"),
        )
    )
    milliseconds = {
        (ours, 1): np.array([[1.0, 2.0, 3.0], [8.0, 8.0, 8.0]]),
        (theirs, 1): np.array([[4.0, 4.0, 4.0], [4.0, 4.0, 9.0]]),
        (theirs, 2): np.array([[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]),
    }
    assert mobile._ratio(ours, 1, milliseconds) == "× 1.25"
    assert mobile._ratio(more, 1, milliseconds) == ""


def test_operator_times_counts(timed):
    path = timed / "small_dynamic_int8.tflite"
    kinds = operator_times.kinds(runtime.tables(path))
    counts = {name: kind.count for name, kind in kinds.items()}
    assert counts == runtime.operators(path)
    dense = kinds.pop("FULLY_CONNECTED")
    model = stored.load(timed / "small.keras")
    kernels = [v for v in model.variables if "kernel" in v.path]
    products = sum(17 * np.prod(kernel.shape) for kernel in kernels)
    # Of graph convolutions two kernels of three see 12 rows, which are
    # gathered of 17 channel by channel, and spread together.
    for index in range(1, model.depth + 1):
        for conv in model.get_layer(f"gcn_{index}").convs:
            channels = conv.dense.kernel.shape[0]
            products -= 2 * (17 - 12) * channels * conv.units
            products += 2 * 12 * 17 * (channels + conv.units)
    assert dense.operations == 2 * products
    assert not any(kind.operations for kind in kinds.values())


def test_operator_times_takes_kinds_apart():
    """Of float16, whose weights become float32 when a graph is loaded."""
    path = weights.AMPOSE_T.with_name("ampose_t_float16.tflite")
    whole = runtime.tables(path)
    counts = runtime.operators(path)
    unpacked = counts.pop("DEQUANTIZE")
    assert {n: k.count for n, k in operator_times.kinds(whole).items()} == (
        counts
    )
    part = operator_times.alone(whole, "FULLY_CONNECTED")
    (held,) = flatbuffer.operators(part)
    names = collections.Counter(operator.name for operator in held)
    assert names == {
        "FULLY_CONNECTED": counts["FULLY_CONNECTED"],
        "DEQUANTIZE": unpacked,
    }
    dense = [o for o in held if o.name == "FULLY_CONNECTED"]
    (subgraph,) = part.subgraphs
    assert [subgraph.tensors[i].name.decode() for i in subgraph.outputs] == [
        o.outputs[0].name for o in dense
    ]
    # What they multiply is given; their weights are not.
    given = {subgraph.tensors[i].name.decode() for i in subgraph.inputs}
    assert given == {o.inputs[0].name for o in dense}
    assert operator_times._timer(flatbuffer.write(part))() > 0


def test_operator_times_times_and_prints(timed):
    whole = runtime.tables(timed / "small_dynamic_int8.tflite")
    dense = flatbuffer.write(operator_times.alone(whole, "FULLY_CONNECTED"))
    graphs = {"the whole": flatbuffer.write(whole), "FULLY_CONNECTED": dense}
    seconds = operator_times.times(graphs, 3)
    assert list(seconds) == list(graphs) and min(seconds.values()) > 0
    kinds = {
        "ADD": operator_times.Kind(count=3),
        "FULLY_CONNECTED": operator_times.Kind(2, operations=5_000_000),
    }
    seconds = {"the whole": 1e-3, "ADD": 5e-4, "FULLY_CONNECTED": 6e-4}
    assert operator_times.as_text("small", kinds, seconds).splitlines() == [
        "| small | count | ms | of the whole | Gop/s |",
        "|---|---|---|---|---|",
        "| FULLY_CONNECTED | 2 | 0.600 | 60% | 8 |",
        "| ADD | 3 | 0.500 | 50% |  |",
        "| the kinds, one by one | 5 | 1.100 | 110% | |",
        "| the whole | 5 | 1.000 | 100% | |",
    ]


def test_torch_peer_takes_the_same_steps(torch_peer, make_poses):
    model = small_model()
    poses = make_poses(7)
    batch = poses.keypoints_2d, poses.poses_3d
    other = torch_peer.peer_of(model)
    losses = [
        steps(3)
        for steps in (
            train_step.keras_steps(model, batch),
            train_step.torch_steps(other, batch),
        )
    ]
    # Keras's is the mean of the steps', PyTorch's the last one's.
    assert losses[0] > losses[1]
    keypoints_2d = make_poses(5, seed=1).keypoints_2d
    lifted = other(torch_peer.torch.tensor(keypoints_2d)).detach().numpy()
    np.testing.assert_allclose(lifted, model(keypoints_2d), atol=1e-3)


def test_train_step_prints_its_table():
    seconds = {
        "torch.compile": np.array([[0.2, 0.4], [0.4, 0.8], [0.2, 0.4]]),
        "Keras XLA": np.array([[0.1, 0.2], [0.6, 0.8], [0.2, 0.4]]),
    }
    assert train_step._table(128, seconds).splitlines()[2:] == [
        "| torch.compile | 200 | 400 | × 1.00 | × 1.00 |",
        "| Keras XLA | 200 | 400 | × 1.00 | × 1.00 |",
    ]


@pytest.mark.parametrize(
    ("kind", "of_ampose_s"),
    [("residual_mlp", 4), ("vanilla_gcn", 1), ("transformer", 1)],
)
def test_baselines_are_as_large_as_they_say(kind, of_ampose_s, make_poses):
    baseline = baselines.Baseline(kind, True, "person")
    size = of_ampose_s * stored.load(weights.AMPOSE_S).count_params()
    assert baseline.count_params() == pytest.approx(size, rel=0.05)
    keypoints_2d = make_poses(3).keypoints_2d
    seen = np.ones((3, 17), np.float32)
    lifted = np.asarray(baseline({"keypoints_2d": keypoints_2d, "seen": seen}))
    assert lifted.shape == (3, 17, 3)
    # The head starts near zero, as AMPose's.
    assert 1e-6 < np.abs(lifted).mean() < 0.1


def test_gallery_chooses_by_rule():
    actions = np.repeat([0, 1, 2], 8)
    # Motion 1 is the best, motion 2 the worst.
    errors = np.arange(24) % 8 + np.repeat([10.0, 0.0, 20.0], 8)
    assert gallery.good(errors, actions).tolist() == [8 + 2, 2, 16 + 2]
    assert gallery.good(errors, actions, 2).tolist() == [8 + 2, 16 + 2]
    assert gallery.bad(errors, actions, 2).tolist() == [16 + 7, 7]


def test_the_card_is_filled_in():
    errors = {"mpjpe_mm": 41.26, "p_mpjpe_mm": 30.5, "n_mpjpe_mm": 39.1}
    row = errors | {"single_mpjpe_mm": 44.4, "poses": 4912}
    fixed = row | {
        "actions": {"walk": errors | {"poses": 4000}},
        "subjects": {"P3": errors | {"poses": 4912}},
    }
    measured = {
        "trunk_lean_deg": -0.25,
        "trunk_bent_deg": 1.0,
        "knee_flexion_deg": 8.8,
        "elbow_flexion_deg": None,
        "size_ratio": 0.98,
        "sides_exchanged": 0.0,
        "depth_order": 0.9551,
    }
    real = {
        "poses": 50,
        "mpjpe_mm": 88.1,
        "mpjpe_mm_interval": (80.0, 97.0),
        "p_mpjpe_mm": 55.5,
        "p_mpjpe_mm_interval": None,
        "n_mpjpe_mm": 80.2,
        "n_mpjpe_mm_interval": None,
    }
    motion = Motion3D(
        np.zeros((5, 17, 3)), np.array(["P1"] * 3 + ["P2"] * 2), None, (), ()
    )
    experiment = Config()
    experiment.data.poses_per_epoch = 1000
    experiment.train.epochs = 3
    text = cards.filled_in(
        name="ampose_x",
        command="python train.py ...",
        experiment=experiment,
        motion=motion,
        parameters=1234567,
        history=[{"seconds": "1800"}, {"seconds": "5400.0"}],
        released={
            "ampose_x.keras": {"bytes": 5_210_000},
            "ampose_x_float32.tflite": {
                "bytes": 4_900_000,
                "mean_mm": 0.0004,
                "max_mm": 0.002,
                "mpjpe_mm": 45.0,
                "poses": 1000,
            },
            "ampose_x_float16_lift_coco17.tflite": {
                "bytes": 2_500_000,
                "mean_mm": 0.03,
                "max_mm": 0.2,
                "poses": 1000,
                "float16_arithmetic": {"lift_coco17": {"mean_mm": 0.789}},
            },
        },
        judged={"fixed": fixed | {"measures": measured}, "noisy": row},
        machine="one GPU",
        real={
            "people.npz": {"models": {"x": real | {"given_truth_px": real}}}
        },
    )
    for line in (
        "# ampose_x",
        "| fixed | -0.2 | +1.0 | +8.8 | - | 0.980 | 0.0% | 95.5% |",
        "| `people.npz` | detected | 50 | 88.1 (80.0 to 97.0) | 55.5 | 80.2 |",
        "|  | true 2D | 50 | 88.1 (80.0 to 97.0) | 55.5 | 80.2 |",
        "| `ampose_x.keras` | 5.21 |  |  |  |  |",
        "| `ampose_x_float32.tflite` | 4.90 | 0.000 | 0.00 | 45.0 |  |",
        "| `ampose_x_float16_lift_coco17.tflite` | 2.50 | 0.030 | 0.20 |  | "
        "0.79 |",
        "| noisy | 4,912 | 41.3 | 44.4 | 30.5 | 39.1 |",
        "| P3 | 4,912 | 41.3 | 30.5 | 39.1 |",
        "| walk | 4,000 | 41.3 | 30.5 | 39.1 |",
    ):
        assert line in text.splitlines(), line
    for words in (
        "1,234,567 parameters",
        # Seven batches of 128 in 1000 poses, three times.
        "2,688 poses: each with a new",
        "Seed 0, 3 epochs, 2 hours on one GPU.",
        "over 1,000 validation poses",
    ):
        assert words in text, words
    assert "{" not in text
    again = cards.with_files(
        text,
        {
            "ampose_x.keras": {"bytes": 5_210_000},
            "ampose_x_float16.tflite": {
                "bytes": 2_470_000,
                "mean_mm": 0.05,
                "max_mm": 0.3,
                "mpjpe_mm": 45.1,
                "poses": 2000,
            },
        },
    )
    assert "over 2,000 validation poses" in again
    past = text.replace("exported on 20", "exported on 19")
    assert past != text
    other = {"x.tflite": {"bytes": 1, "poses": 2}}
    assert cards.with_files(past, other) == cards.with_files(text, other)
    again = again.replace("over 2,000 ", "over 1,000 ")
    with pytest.raises(ValueError, match="0 places of a card match"):
        cards.with_files("# A page", other)
    old, new = text.splitlines(), again.splitlines()
    start = old.index("| `ampose_x.keras` | 5.21 |  |  |  |  |") + 1
    assert new[:start] == old[:start]
    row = "| `ampose_x_float16.tflite` | 2.47 | 0.050 | 0.30 | 45.1 |  |"
    assert new[start:] == [row, *old[start + 2 :]]


def test_the_plan_of_the_tables():
    """Every config of the paper is trained before it is judged."""
    plan = subprocess.run(
        ["bash", FOLDER / "reproduce.sh", "--size=paper", "--dry_run"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    commands = [line.removeprefix("+ ") for line in plan.splitlines()]
    trained = [
        re.search(r"configs/(\w+)\.py", command)[1]
        for command in commands
        if "train.py" in command
    ]
    configs = {path.stem for path in (ROOT / "configs").glob("h36m*")}
    assert len(trained) == len(configs) and set(trained) == configs
    # It starts from another one's model.
    assert trained[-1] == "h36m_cpn_17_refined"
    tables = [c for c in commands if "evaluate.py" in c]
    judged = re.findall(r"--model=\./runs/(\w+)/last.keras", " ".join(tables))
    assert set(judged) == configs
    numbers = [re.search(r"--table=(\d)", command)[1] for command in tables]
    assert sorted(set(numbers)) == ["1", "2", "3", "4"]
    # What the figure is drawn from is what an evaluation leaves.
    path = re.search(r"--report=(\S*table_2_h36m_gt_17\.json)", plan)[1]
    drawn = re.search(r"--poses=(\S+)", commands[-1])[1]
    assert pathlib.Path(drawn) == report.beside(path, "poses.npz")
    assert "--config.model" not in plan and "downloads.py" not in plan


def test_the_table_of_repeats():
    """Mean, and what one run says of the next: divided by n - 1."""
    errors = {
        "mpjpe_mm": [40.0, 41.0, 42.0],
        "single_mpjpe_mm": [43.0, 43.0, 43.0],
        "p_mpjpe_mm": [30.0, 30.5, 31.0],
    }
    one = {name: values[:1] for name, values in errors.items()}
    table = repeats.as_text(
        "design",
        {
            "ours": {"parameters": 1234567, **errors},
            "none": {"parameters": 89, **one},
        },
    )
    head, _, *rows = table.splitlines()
    assert head.startswith("| design | parameters | MPJPE, two calls |")
    assert rows == [
        "| `ours` | 1,234,567 | 41.00 ± 1.00 | 43.00 ± 0.00 | 30.50 ± 0.50 |",
        "| `none` | 89 | 40.00 | 43.00 | 30.00 |",
    ]


def test_a_teachers_worth_is_given_seed_by_seed():
    runs = {
        "alone": {"mpjpe_mm": [40.0, 41.0, 42.5]},
        "taught": {"mpjpe_mm": [39.5, 41.25, 40.0]},
    }
    text = distillation.differences(runs)
    assert text.endswith("seed by seed: -0.50, +0.25, -2.50 mm.")


@pytest.mark.parametrize("arguments", [[], ["--size=huge"], ["--siz=small"]])
def test_a_mistake_in_the_plan(arguments):
    ended = subprocess.run(
        ["bash", FOLDER / "reproduce.sh", *arguments],
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith("reproduce.sh: ")

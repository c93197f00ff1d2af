"""Training on several devices: those that one processor is split into."""

import dataclasses
import os
import signal
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from ampose_tf import config as configuration
from ampose_tf import devices, training
from ampose_tf.models import stored
from tests.commands import ROOT
from tests.test_training import assert_same_run


def on_all(config, **recipe):
    recipe = dataclasses.replace(config.train, devices="all", **recipe)
    return dataclasses.replace(config, train=recipe)


class Two:
    """What `split` uses of a strategy for two devices."""

    num_replicas_in_sync = 2

    def distribute_datasets_from_function(self, make):
        return make(None)


def trained(workdir, *arguments):
    """Trains in a process of its own; returns how it ended."""
    return subprocess.run(
        [sys.executable, "-m", "tests.logical_devices", workdir, *arguments],
        cwd=ROOT,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "2"},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


def weights_of(workdir):
    weights = stored.load(workdir / "last.keras").get_weights()
    return np.concatenate([array.ravel() for array in weights])


def test_a_machine_with_one_device_says_so(tiny_config, capsys):
    assert devices.strategy_for(tiny_config) is None
    assert capsys.readouterr().out == ""
    assert devices.strategy_for(on_all(tiny_config)) is None
    said = capsys.readouterr().out
    assert said == "train.devices=all: this machine has one device, CPU:0\n"


def test_a_batch_that_cannot_be_split(tiny_config, monkeypatch):
    (found,) = tf.config.list_logical_devices("CPU")
    monkeypatch.setattr(devices, "_devices", lambda tf: [found, found])
    with pytest.raises(ValueError, match="batch_size: 7 is not divisible by"):
        devices.strategy_for(on_all(tiny_config))


def test_jax_is_refused(tiny_config, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ValueError, match="KERAS_BACKEND=tensorflow, got jax"):
        devices.strategy_for(on_all(tiny_config))


def test_xla_is_refused(tiny_config):
    configuration.check(on_all(tiny_config))
    with pytest.raises(ValueError, match=r"train\.jit_compile: XLA"):
        configuration.check(on_all(tiny_config, jit_compile=True))


@pytest.mark.parametrize("chosen", ["one", "all"])
def test_several_machines_are_refused(
    chosen, tmp_path, make_poses, tiny_config, monkeypatch
):
    monkeypatch.setenv("TF_CONFIG", '{"cluster": {"worker": ["a:1", "b:1"]}}')
    tiny_config.train.devices = chosen
    with pytest.raises(ValueError, match="keras-team/keras#20585") as error:
        training.train(tiny_config, make_poses(5), make_poses(3), tmp_path)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


def test_each_device_gets_consecutive_poses():
    keypoints_2d = np.arange(10 * 3 * 2, dtype=np.float32).reshape(10, 3, 2)
    poses_3d = np.arange(10 * 3 * 3, dtype=np.float32).reshape(10, 3, 3)
    batches = tf.data.Dataset.from_tensor_slices(
        ({"keypoints_2d": keypoints_2d}, poses_3d)
    ).batch(6)
    found = [
        (given["keypoints_2d"].numpy(), target.numpy())
        for given, target in devices.split(batches, Two())
    ]
    expected = [slice(0, 3), slice(3, 6), slice(6, 8), slice(8, 10)]
    for (given, target), some in zip(found, expected, strict=True):
        np.testing.assert_array_equal(given, keypoints_2d[some])
        np.testing.assert_array_equal(target, poses_3d[some])


def test_a_last_batch_that_cannot_be_split_goes_to_each_device():
    poses_3d = np.arange(7 * 3 * 3, dtype=np.float32).reshape(7, 3, 3)
    batches = tf.data.Dataset.from_tensor_slices((poses_3d, poses_3d)).batch(4)
    found = [target.numpy() for _, target in devices.split(batches, Two())]
    assert len(found) == 4
    for target, some in zip(
        found, [slice(0, 2), slice(2, 4), *2 * [slice(4, 7)]], strict=True
    ):
        np.testing.assert_array_equal(target, poses_3d[some])


@pytest.mark.parametrize(
    ("count", "size", "expected"), [(11, 512, 10), (12, 5, 4), (2, 1, 2)]
)
def test_validation_batches(count, size, expected):
    assert devices.validation_size(count, size, None) == max(
        min(size, count), 1
    )
    assert devices.validation_size(count, size, Two()) == expected


def test_fewer_validation_poses_than_devices():
    with pytest.raises(ValueError, match="1 validation poses cannot be split"):
        devices.validation_size(1, 512, Two())


@pytest.mark.slow
def test_two_devices_learn_what_one_learns(tmp_path):
    """In 200 steps, 25 in each epoch, whose last batch has three poses."""
    for chosen in ("one", "all"):
        ended = trained(
            tmp_path / chosen,
            f"devices={chosen}",
            "epochs=8",
            f"learning_rate={configuration.Train.learning_rate}",
        )
        assert ended.returncode == 0, ended.stderr
        assert "one device" not in ended.stdout
    one, two = weights_of(tmp_path / "one"), weights_of(tmp_path / "all")
    assert 0 < np.linalg.norm(two - one) < 1e-5 * np.linalg.norm(one)


@pytest.mark.slow
@pytest.mark.parametrize(
    "recipe",
    [
        ("dropout=0.2", "drop_path=0.1"),
        ("precision=mixed_float16", "gcn_norm=bn"),
        ("training_cameras=drawn", "seen_input=True"),
    ],
    ids=" ".join,
)
def test_killed_on_two_devices(recipe, tmp_path):
    arguments = ("epochs=2", *recipe)
    killed = trained(tmp_path / "killed", "--kill", *arguments)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    for name in ("killed", "whole"):
        ended = trained(tmp_path / name, *arguments)
        assert ended.returncode == 0, ended.stderr
    assert_same_run(tmp_path / "whole", tmp_path / "killed")


@pytest.mark.slow
@pytest.mark.parametrize("role", ["teacher", "lifter"])
def test_another_model_takes_part(role, tmp_path, tiny_config):
    tiny_config.model.dropout = tiny_config.model.drop_path = 0.0
    given = tmp_path / "given.keras"
    training.build(tiny_config).save(given)
    ended = trained(tmp_path / "run", f"{role}={given}", "epochs=1")
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "run/best.keras").is_file()

import dataclasses
import inspect
import json
import os
import typing

import pytest

from ampose_tf import camera, config, skeleton
from ampose_tf.config import Config, fields, ranges

SECTIONS = (
    ranges.Cameras,
    config.Generated,
    ranges.Viewpoints,
    ranges.Postures,
    ranges.Bodies,
    ranges.Detector,
    config.Data,
    config.Model,
    config.Train,
    config.Evaluation,
    config.Export,
)


DRAWN = {"data__dataset": "mocap", "data__training_cameras": "drawn"}


def altered(**changes):
    """Returns the defaults with {"section__field": value} changed."""
    made = Config()
    for name, value in changes.items():
        *sections, field = name.split("__")
        section = made
        for part in sections:
            section = getattr(section, part)
        setattr(section, field, value)
    return made


def choices(section, name):
    (field,) = (f for f in dataclasses.fields(section) if f.name == name)
    return field.metadata["choices"]


def test_the_defaults_are_valid():
    config.check(Config())


def test_json_round_trip():
    made = altered(
        data__train_subjects=("S1", "S5"),
        data__validation_subjects=(),
        data__cameras__distance_m=(2.5, 4),
        train__learning_rate=1e-3,
        evaluation__flip_ensemble=False,
    )
    again = config.from_json(config.to_json(made))
    assert again == made
    assert again != Config()
    assert again.data.train_subjects == ("S1", "S5")
    assert isinstance(again.model, config.Model)


def test_json_holds_every_field():
    flat = fields.flatten(Config())
    assert flat["data.cameras.number"] == 4
    assert flat["train.learning_rate"] == 2.5e-5
    assert set(json.loads(config.to_json(Config()))) == {
        "data",
        "model",
        "train",
        "evaluation",
        "export",
    }


def test_load_reads_what_to_json_wrote(tmp_path):
    path = tmp_path / "config.json"
    path.write_text(config.to_json(altered(train__seed=3)), encoding="utf-8")
    assert config.load(path).train.seed == 3


def test_load_names_the_file(tmp_path):
    path = tmp_path / "config.json"
    for content in (
        b"{",
        b"[]",
        b"\xff\xfe\x00",
        b'{"data": 3}',
        b"[" * 100_000,
        b'{"model": ' * 500 + b"3" + b"}" * 500,
        bytes(2**20 + 1),
        b'{"a\x1b[31m": 3}',
        b'{"train": {"seed": 1' + b"0" * 400 + b"}}",
        b'{"train": {"seed": 1' + b"0" * 5000 + b"}}",
        b'{"train": {"learning_rate": 1' + b"0" * 400 + b"}}",
        b'{"train": {"learning_rate": NaN}}',
        b'{"train": {"lifter": "a\\u0000b"}}',
        b'{"model": {"depth": 1000000000}}',
        b'{"data": {"archives": [[["x"]]]}}',
        b'{"data": {"archives": {"x": 1}}}',
        b'{"data": ' + b"[" * 900 + b"]" * 900 + b"}",
    ):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=f"^{path}: ") as caught:
            config.load(path)
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 300
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(OSError, match=path.name):
        config.load(path)
    with pytest.raises(FileNotFoundError, match="missing.json"):
        config.load(tmp_path / "missing.json")


@pytest.mark.parametrize(
    ("section", "message"),
    [
        (("train",), "unknown field train.colour"),
        (("data", "cameras"), "unknown field data.cameras.colour"),
        ((), "unknown field colour"),
    ],
)
def test_unknown_fields_are_named(section, message):
    values = json.loads(config.to_json(Config()))
    inner = values
    for name in section:
        inner = inner[name]
    inner["colour"] = "red"
    with pytest.raises(ValueError, match=f"^{message}$"):
        config.from_json(json.dumps(values))


def test_what_an_older_version_wrote_is_read():
    values = json.loads(config.to_json(altered(train__seed=3)))
    del values["data"]["generated"]["seed"]
    del values["train"]["lifter"]
    del values["train"]["teacher"]
    del values["train"]["teacher_weight"]
    del values["export"]
    assert config.from_json(json.dumps(values)) == altered(train__seed=3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        # Types.
        (
            {"train__epochs": 2.0},
            "train.epochs: expected int, got 2.0",
        ),
        (
            {"train__epochs": True},
            "train.epochs: expected int, got True",
        ),
        (
            {"train__decay": True},
            "train.decay: expected float, got True",
        ),
        (
            {"data__flip_training": 1},
            "data.flip_training: expected bool, got 1",
        ),
        ({"data__root": None}, "data.root: expected str, got None"),
        (
            {"data__train_subjects": "S1"},
            "data.train_subjects: expected a tuple, got 'S1'",
        ),
        (
            {"data__train_subjects": ("S1", 5)},
            "data.train_subjects: expected str, got 5",
        ),
        (
            {"data__cameras__aim_m": (1.0, 2.0, 3.0)},
            "data.cameras.aim_m: expected 2 values, got 3",
        ),
        # A comma inside a name.
        (
            {"data__train_subjects": ("S1,S9",)},
            "data.train_subjects: 'S1,S9' holds a comma",
        ),
        # Choices.
        (
            {"data__adjacency": "sym"},
            "data.adjacency: expected one of rc, rw, global, alpha, ",
        ),
        # Bounds, and numbers that are none.
        (
            {"train__batch_size": 0},
            "train.batch_size: expected at least 1, got 0",
        ),
        ({"data__joints": 15}, "data.joints: expected 16 to 17, got 15"),
        ({"train__decay": 1.1}, "train.decay: expected 0 to 1, got 1.1"),
        (
            {"train__learning_rate": -1e-9},
            "train.learning_rate: expected at least 0, got -1e-09",
        ),
        (
            {"train__learning_rate": float("nan")},
            "train.learning_rate: expected at least 0, got nan",
        ),
        (
            {"train__learning_rate": float("inf")},
            "train.learning_rate: expected at least 0, got inf",
        ),
        (
            {"model__dropout": float("nan")},
            "model.dropout: expected 0 to 0.999, got nan",
        ),
        (
            {"data__cameras__distance_m": (4.0, float("inf"))},
            "data.cameras.distance_m: expected at least 0.1, got inf",
        ),
        (
            {"data__cameras__height_m": (float("nan"), 2.0)},
            "data.cameras.height_m: expected a finite number, got nan",
        ),
        # What is wrong only together.
        (
            {"data__cameras__distance_m": (6.0, 4.0)},
            "data.cameras.distance_m: expected (low, high), got 6.0, 4.0",
        ),
        (
            {"data__validation_subjects": ("S9", "S5")},
            "data: S5 is in train_subjects and validation_subjects",
        ),
        (
            {"model__width": 100},
            "model.width: 100 is not divisible by model.heads=8",
        ),
        (
            {"data__bodies__size": (1.2, 0.9)},
            "data.bodies.size: expected (low, high), got 1.2, 0.9",
        ),
        (
            {"data__viewpoints__fit": -1.0},
            "data.viewpoints.fit: expected at least 0",
        ),
        (
            {"data__training_cameras": "drawn"},
            "data.training_cameras: only motion archives",
        ),
        (
            DRAWN | {"model__normalisation": "width"},
            "model.normalisation: drawn cameras vary the aspect",
        ),
        (
            DRAWN | {"data__train_stride": 2},
            "data.train_stride: drawn cameras thin frames",
        ),
        (
            {"train__teacher": "a.keras", "train__lifter": "b.keras"},
            "train.teacher: only a new lifter can have a teacher, pose",
        ),
        (
            {"train__teacher_weight": 1.5},
            "train.teacher_weight: expected 0 to 1, got 1.5",
        ),
        (
            DRAWN | {"data__poses_per_epoch": 127},
            "data.poses_per_epoch: 127 is less than one batch of 128",
        ),
    ],
    ids=str,
)
def test_mistakes_are_named(changes, message):
    with pytest.raises(ValueError) as caught:
        config.check(altered(**changes))
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    "changes",
    [
        {"train__decay": 1},
        {"train__decay": 0.0},
        {"data__joints": 16},
        DRAWN | {"data__poses_per_epoch": 128},
        {"data__cameras__distance_m": (5, 5)},
        {"data__train_subjects": ()},
        {"train__seed": 2**32 - 1},
    ],
    ids=str,
)
def test_what_is_allowed(changes):
    config.check(altered(**changes))


def test_json_is_checked_too():
    text = config.to_json(Config()).replace('"decay": 0.98', '"decay": NaN')
    with pytest.raises(ValueError, match="train.decay: .* got nan"):
        config.from_json(text)


def test_difference():
    assert config.difference(Config(), Config()) == ""
    assert (
        config.difference(altered(train__epochs=3), Config())
        == "train.epochs is 3 there, 50 here"
    )
    first = altered(train__epochs=3, data__cameras__number=7)
    assert (
        config.difference(first, Config())
        == "data.cameras.number is 7 there, 4 here"
    )


def test_choices_are_those_of_the_modules():
    assert choices(config.Data, "adjacency") == skeleton.NORMALISATIONS
    assert set(choices(config.Model, "normalisation")) == set(
        camera.SCREEN_NORMALISATIONS
    )


def test_every_section_is_listed_here():
    found, pending = set(), [Config]
    while pending:
        for hint in typing.get_type_hints(pending.pop()).values():
            if dataclasses.is_dataclass(hint):
                found.add(hint)
                pending.append(hint)
    assert found == set(SECTIONS)


@pytest.mark.parametrize("section", SECTIONS, ids=lambda s: s.__name__)
def test_every_field_is_documented_in_order(section):
    _, attributes = inspect.getdoc(section).split("\nAttributes:\n")
    documented = [
        line.split(":")[0].strip()
        for line in attributes.splitlines()
        if line.startswith(" " * 4) and not line.startswith(" " * 5)
    ]
    assert documented == [f.name for f in dataclasses.fields(section)]


def test_sections_are_not_shared_between_configurations():
    one, other = Config(), Config()
    one.data.cameras.number = 7
    assert other.data.cameras.number == 4

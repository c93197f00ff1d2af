import pathlib
import shutil
import zipfile

import keras
import numpy as np
import pytest

from ampose_tf import weights
from ampose_tf.models import stored
from ampose_tf.models.ampose import AMPose
from ampose_tf.skeleton import Skeleton

ADJACENCY = Skeleton(
    ("hip", "right", "left"), (-1, 0, 0), left=(2,), right=(1,)
).adjacency()


def make_model():
    return AMPose(ADJACENCY, depth=1, width=4, heads=2, normalisation="width")


@pytest.fixture
def path(tmp_path):
    make_model().save(tmp_path / "model.keras")
    return tmp_path / "model.keras"


def assert_refused(path, message):
    with pytest.raises(ValueError, match=message) as caught:
        stored.load(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("kind", [str, pathlib.Path])
def test_load(tmp_path, kind):
    saved = make_model()
    saved.compile("adam", loss="mse")
    saved.save(tmp_path / "model.keras")
    model = stored.load(kind(tmp_path / "model.keras"))
    assert type(model) is AMPose
    assert not model.compiled
    assert model.normalisation == "width"
    np.testing.assert_array_equal(model.adjacency, ADJACENCY)
    x = np.random.default_rng(2).normal(size=(7, 3, 2)).astype(np.float32)
    np.testing.assert_array_equal(model(x), saved(x))


def test_no_file(tmp_path):
    for missing in (tmp_path / "model.keras", tmp_path):
        with pytest.raises(FileNotFoundError, match=f"no model {missing}"):
            stored.load(missing)


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.999])
def test_a_truncated_file(path, share):
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    assert_refused(path, "not a readable .keras file")


def test_another_kind_of_file(path):
    path.write_text("some text", encoding="utf-8")
    assert_refused(path, "not a readable .keras file")


def test_another_ending(path):
    other = path.rename(path.with_suffix(".h6"))
    assert_refused(other, "not a readable .keras file")


def replace_member(path, name, change):
    """Rewrites a zip with one member changed, or left out where None."""
    with zipfile.ZipFile(path) as archive:
        members = {n: archive.read(n) for n in archive.namelist()}
    changed = change(members.pop(name))
    with zipfile.ZipFile(path, "w") as archive:
        for member, content in members.items():
            archive.writestr(member, content)
        if changed is not None:
            archive.writestr(name, changed)


@pytest.mark.parametrize(
    "change",
    [
        lambda content: None,
        lambda content: content[:-3],
        lambda content: b"",
        lambda content: content.replace(b'"width":', b'"breadth":'),
        lambda content: content.replace(b'"depth": 1', b'"depth": "1"'),
        lambda content: content.replace(b'"heads": 2', b'"heads": 3'),
        lambda content: content.replace(b'"gcn": "ours"', b'"gcn": "gat"'),
    ],
    ids=["gone", "cut", "empty", "field", "type", "heads", "design"],
)
def test_a_damaged_configuration(path, change):
    replace_member(path, "config.json", change)
    assert_refused(path, "not a readable .keras file")


# Keras says what is missing before it gives up.
@pytest.mark.filterwarnings("ignore:Skipping nested container:UserWarning")
def test_weights_of_another_depth(path):
    replace_member(
        path,
        "config.json",
        lambda content: content.replace(b'"depth": 1', b'"depth": 2'),
    )
    assert_refused(path, "not a readable .keras file")


@pytest.mark.parametrize(
    "change",
    [lambda content: None, lambda content: content[:-500], lambda _: b""],
    ids=["gone", "cut", "empty"],
)
def test_damaged_weights(path, change):
    replace_member(path, "model.weights.h5", change)
    assert_refused(path, "not a readable .keras file")


def test_another_model(path):
    keras.Sequential([keras.Input((3, 2)), keras.layers.Dense(3)]).save(path)
    assert_refused(path, "holds a Sequential, not an AMPose")


def test_no_code_of_the_file_runs(path):
    inputs = keras.Input((3, 2))
    keras.Model(inputs, keras.layers.Lambda(lambda x: x)(inputs)).save(path)
    assert_refused(path, "not a readable .keras file")


@pytest.mark.parametrize(
    ("name", "description"),
    [
        ("best.keras", "best.keras: lowest validation MPJPE (peer-style)"),
        ("last.keras", "last.keras: the last epoch"),
        ("mine.keras", "mine.keras: chosen by hand"),
        # Another model under a released one's name.
        ("ampose_s.keras", "ampose_s.keras: chosen by hand"),
    ],
)
def test_describe_checkpoint(path, name, description):
    renamed = path.rename(path.with_name(name))
    assert stored.describe_checkpoint(renamed) == description
    assert stored.describe_checkpoint(str(renamed)) == description


@pytest.mark.parametrize("released", weights.RELEASED.values())
def test_a_released_model_is_known_under_any_name(tmp_path, released):
    copy = shutil.copy(released, tmp_path / "last.keras")
    description = f"{released.name}: released, the last epoch"
    assert stored.describe_checkpoint(released) == description
    assert stored.describe_checkpoint(copy) == description
    content = bytearray(copy.read_bytes())
    content[-1] ^= 1
    other = tmp_path / "mine.keras"
    other.write_bytes(content)
    assert stored.describe_checkpoint(other) == "mine.keras: chosen by hand"

import keras
import numpy as np
import pytest

from ampose_tf import training
from ampose_tf.camera import Camera, normalize_screen
from ampose_tf.config import Config, Data, Model, Train
from ampose_tf.data import pipeline
from ampose_tf.data.poses import make_poses
from ampose_tf.evaluation import protocols
from ampose_tf.lifting.predictor import load_predictor
from ampose_tf.models import losses, refinement, stored
from ampose_tf.models.ampose import AMPose
from ampose_tf.models.recorder import Recorder
from ampose_tf.models.refinement import PoseRefinement, RefinedLifter
from ampose_tf.skeleton import H36M_17
from tests.people import STANDING

# The principal point is not the image's centre.
CAMERA = Camera(1000, 1002, (1145.0, 1143.0), (512.0, 515.0))


def made_poses(count=13, seed=0):
    """People who tremble before an ideal pinhole, in Human3.6M's joints."""
    random = np.random.default_rng(seed)
    joints = STANDING + random.normal(0, 0.05, (count, 17, 3))
    joints = np.stack(  # x right, y down, z forward
        [joints[..., 1], 1 - joints[..., 2], 4 + joints[..., 0]], axis=-1
    )
    joints += random.uniform(-0.5, 0.5, (count, 1, 3))
    return make_poses(
        normalize_screen(CAMERA.project(joints), CAMERA.image_size, "width"),
        joints,
        0,
        "S1",
        ("Posing",),
        CAMERA.normalized_intrinsics("width"),
    )


def of(poses):
    return (
        poses.poses_3d,
        poses.keypoints_2d,
        poses.intrinsics,
        poses.root_depth,
    )


@pytest.mark.parametrize(
    ("joints", "parameters"), [(17, 140322), (16, 132128)]
)
def test_the_size_of_cais(joints, parameters):
    layer = PoseRefinement()
    layer.build([(None, joints, 3), (None, joints, 2), (None, 4), (None,)])
    assert layer.count_params() == parameters


def test_the_truth_lies_on_its_rays():
    """Also where the lifter says that the hip is not at its depth 0."""
    poses = made_poses()
    rays = refinement.along_rays(*of(poses))
    np.testing.assert_allclose(rays, poses.poses_3d, atol=1e-6)
    moved = poses.poses_3d.copy()
    moved[:, 0, 2] = 0.3
    rays = refinement.along_rays(moved, *of(poses)[1:])
    np.testing.assert_allclose(rays, poses.poses_3d, atol=1e-6)


def test_mirror_images_lie_on_their_rays():
    poses = made_poses(31)
    mirrored = 0
    for inputs, poses_3d in pipeline.training_batches(
        poses,
        H36M_17,
        7,
        5,
        range(1),
        flip=True,
        inputs=("keypoints_2d", "intrinsics", "root_depth"),
    ):
        rays = refinement.along_rays(
            poses_3d,
            inputs["keypoints_2d"],
            inputs["intrinsics"],
            inputs["root_depth"],
        )
        np.testing.assert_allclose(rays, poses_3d, atol=1e-5)
        mirrored += np.sum(inputs["intrinsics"].numpy()[:, 2] < 0)
    assert 5 < mirrored < 26


def test_the_layer_by_a_slow_loop():
    random = np.random.default_rng(3)
    poses = made_poses(3)
    lifted = poses.poses_3d + random.normal(0, 0.1, (3, 17, 3))
    lifted = lifted.astype(np.float32)
    layer = PoseRefinement(hidden=11)
    arrays = (lifted, *of(poses)[1:])
    layer(arrays)
    for variable in layer.trainable_variables:
        variable.assign(random.normal(0, 0.5, variable.shape))
    w1, b1, w2, b2 = (v.numpy() for v in layer.trainable_variables)
    for n, refined in enumerate(np.asarray(layer(arrays))):
        fx, fy, cx, cy = poses.intrinsics[n]
        ray = np.zeros((17, 3))
        for j in range(17):
            z = lifted[n, j, 2] if j else 0
            depth = poses.root_depth[n] + z
            u, v = poses.keypoints_2d[n, j]
            ray[j] = (u - cx) / fx * depth, (v - cy) / fy * depth, z
        ray[:, :2] -= ray[0, :2].copy()
        vector = [
            value for j in range(17) for value in (*lifted[n, j], *ray[j])
        ]
        hidden = np.maximum(vector @ w1 + b1, 0)
        share = 1 / (1 + np.exp(-(hidden @ w2 + b2)))
        for j in range(17):
            for axis in range(2):
                s = share[2 * j + axis]
                expected = s * lifted[n, j, axis] + (1 - s) * ray[j, axis]
                assert refined[j, axis] == pytest.approx(expected, abs=1e-5)
            assert refined[j, 2] == lifted[n, j, 2]


def small_config(lifter=""):
    return Config(
        data=Data(),
        model=Model(depth=1, width=6, heads=2, normalisation="width"),
        train=Train(
            epochs=2,
            batch_size=8,
            loss="mean_distance",
            learning_rate=1e-2,
            lifter=str(lifter),
        ),
    )


@pytest.fixture
def lifter(tmp_path):
    path = tmp_path / "lifter" / "last.keras"
    training.train(
        small_config(), made_poses(37), made_poses(11, 1), path.parent
    )
    return path


def test_two_stages(lifter, tmp_path, make_poses):
    config = small_config(lifter)
    poses = made_poses(37), made_poses(11, 1)
    built = training.build(config)
    trained = stored.load(lifter)
    np.testing.assert_array_equal(
        built.lifter(poses[0].keypoints_2d), trained(poses[0].keypoints_2d)
    )
    training.train(config, *poses, tmp_path / "refined")
    path = tmp_path / "refined" / "last.keras"
    predict = load_predictor(path)
    report = protocols.evaluate(
        predict, poses[1], H36M_17, "poses", True, refine=predict.refine
    )
    # x and y of half-trained 3D are worse than those along the rays.
    assert report["refined"]["mpjpe_mm"] < 0.9 * report["mpjpe_mm"]
    assert set(report["refined"]["actions"]) == {"Posing"}
    # The lifter has been trained on, and stands alone.
    moved = np.abs(
        stored.load(path)(poses[0].keypoints_2d)
        - trained(poses[0].keypoints_2d)
    )
    assert moved.max() > 1e-3
    assert load_predictor(lifter).refine is None
    uncalibrated = make_poses(3)
    with pytest.raises(ValueError, match="this data has none"):
        protocols.evaluate(
            predict,
            uncalibrated,
            H36M_17,
            "poses",
            True,
            refine=predict.refine,
        )


def test_a_killed_second_stage_goes_on(lifter, tmp_path, monkeypatch):
    """Bitwise the weights of a run that was never killed."""
    poses = made_poses(37), made_poses(11, 1)
    config = small_config(lifter)
    training.train(config, *poses, tmp_path / "whole")
    monkeypatch.setattr(Recorder, "on_epoch_begin", _killed)
    with pytest.raises(KeyboardInterrupt):
        training.train(config, *poses, tmp_path / "killed")
    monkeypatch.undo()
    training.train(config, *poses, tmp_path / "killed")
    one, other = (
        keras.models.load_model(tmp_path / name / "last.keras")
        for name in ("whole", "killed")
    )
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


_on_epoch_begin = Recorder.on_epoch_begin


def _killed(self, epoch, logs=None):
    if epoch == 1:
        raise KeyboardInterrupt
    _on_epoch_begin(self, epoch, logs)


def test_mixed_precision_trains(lifter, tmp_path):
    config = small_config(lifter)
    config.train.precision = "mixed_float16"
    poses = made_poses(37), made_poses(11, 1)
    training.train(config, *poses, tmp_path / "run")
    assert load_predictor(tmp_path / "run" / "last.keras").refine is not None


def test_the_loss_is_that_of_both_poses():
    y_true = np.zeros((2, 3, 3), np.float32)
    y_pred = np.stack([y_true + 1, y_true + 2], axis=1)
    loss = losses.of_both(losses.mse_joint)(y_true, y_pred)
    np.testing.assert_allclose(loss, [3 + 12] * 2)
    # Hips are subtracted: only the second pose's last joint is off.
    y_pred[:, 1, 2, 0] += 0.3
    np.testing.assert_allclose(
        losses.refined_mpjpe_mm(y_true, y_pred), [100, 100], rtol=1e-5
    )


def test_poses_without_intrinsics_are_refused(lifter, make_poses, tmp_path):
    with pytest.raises(ValueError, match="needs intrinsics, which is unknown"):
        training.train(
            small_config(lifter), make_poses(23), make_poses(5), tmp_path / "x"
        )


def test_a_missing_lifter_leaves_no_workdir(tmp_path):
    poses = made_poses(11), made_poses(5)
    config = small_config(tmp_path / "nowhere.keras")
    with pytest.raises(FileNotFoundError, match="no model .*nowhere"):
        training.train(config, *poses, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_lifter_of_another_config_is_refused(lifter):
    config = small_config(lifter)
    config.model.gcn = "convnext"
    with pytest.raises(ValueError, match="its model.gcn is 'ours'"):
        training.build(config)
    config = small_config(lifter)
    config.data.adjacency = "rw"
    with pytest.raises(ValueError, match="its joints or adjacency"):
        training.build(config)


def test_round_trip(tmp_path):
    lifter = AMPose(H36M_17.adjacency(), depth=1, width=4, heads=2)
    model = RefinedLifter(lifter.get_config(), hidden=7)
    random = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(random.normal(0, 0.3, variable.shape))
    model.save(tmp_path / "model.keras")
    poses = made_poses(3)
    _, *rest = of(poses)
    inputs = dict(
        zip(("keypoints_2d", "intrinsics", "root_depth"), rest, strict=True)
    )
    lifted, refined = np.moveaxis(np.asarray(model(inputs)), 1, 0)
    again = stored.load(tmp_path / "model.keras")
    np.testing.assert_allclose(again(poses.keypoints_2d), lifted, atol=1e-6)
    _, layer = stored.load_both(tmp_path / "model.keras")
    np.testing.assert_allclose(layer([lifted, *rest]), refined, atol=1e-6)
    copy = model.rebuilt("mixed_float16")
    np.testing.assert_allclose(copy(inputs)[:, 0], lifted, atol=0.02)

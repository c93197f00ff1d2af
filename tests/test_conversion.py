import json
import os
import pathlib

import keras
import numpy as np
import pytest

from ampose_tf import conversion
from ampose_tf.conversion import CONVERSIONS, SEEN_SCORE
from ampose_tf.skeleton import H36M_17

every = pytest.mark.parametrize("name", CONVERSIONS)


def index(joint):
    return H36M_17.joints.index(joint)


def test_the_threshold_is_what_released_files_and_pages_say():
    assert SEEN_SCORE == 0.3
    root = pathlib.Path(__file__).parents[1]
    for page, sentence in (
        ("docs/settings.md", "score is below 0.3 (`--seen_score`)"),
        ("docs/mobile.md", "Below 0.3 a joint counts as not seen"),
    ):
        assert sentence in (root / page).read_text(encoding="utf-8")


@every
def test_rows_sum_to_one(name):
    matrix = CONVERSIONS[name].matrix

    assert matrix.shape == (17, len(CONVERSIONS[name].joints))
    np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-6)


@every
def test_all_alternatives_sum_to_one_and_none_is_of_no_use(name):
    source = CONVERSIONS[name]

    for alternatives in source.alternatives:
        rows = source.rows(alternatives)
        np.testing.assert_allclose(rows.sum(axis=1), 1, atol=1e-6)
        used = [set(sources) for sources in alternatives]
        for later, sources in enumerate(used):
            assert not any(earlier <= sources for earlier in used[:later])


@every
def test_joints_have_distinct_names_and_sides_use_them(name):
    joints, sides = CONVERSIONS[name].joints, CONVERSIONS[name].sides

    assert len(set(joints)) == len(joints)
    paired = [joint for pair in sides for joint in pair]
    assert len(set(paired)) == len(paired)
    assert set(paired) <= set(joints)
    # What is left over lies in the middle.
    assert not any(
        word in joint.lower()
        for joint in set(joints) - set(paired)
        for word in ("left", "right")
    )


@every
def test_mirroring_commutes_with_converting(name):
    source = CONVERSIONS[name]
    points = np.random.default_rng(3).normal(size=(5, len(source.joints), 2))
    flip = np.array([-1, 1])

    first = source.convert(points[:, list(source.mirrored)] * flip)
    last = source.convert(points)[:, list(H36M_17.mirrored)] * flip

    np.testing.assert_allclose(first, last, atol=1e-6)


def hidden(source, seed, poses=500):
    """Returns random points, and scores of which most hide some joints."""
    random = np.random.default_rng(seed)
    points = random.normal(size=(poses, len(source.joints), 2))
    scores = random.uniform(0.31, 1, points.shape[:2])
    share = random.uniform(0, 0.9, (poses, 1))
    scores[random.random(scores.shape) < share] *= 0.3
    return points.astype(np.float32), scores.astype(np.float32)


@every
def test_mirroring_commutes_with_converting_what_is_seen(name):
    source = CONVERSIONS[name]
    points, scores = hidden(source, seed=4)
    sides, flip = list(source.mirrored), np.float32([-1, 1])

    first = source.convert(points[:, sides] * flip, scores[:, sides])
    last = source.convert(points, scores)[:, list(H36M_17.mirrored)] * flip

    seen = source.convert_scores(scores[:, sides]) >= SEEN_SCORE
    assert 0.2 < seen.mean() < 0.9
    np.testing.assert_allclose(first[seen], last[seen], atol=1e-5)


@every
@pytest.mark.parametrize("seen_score", [0, 0.3, 0.6])
def test_tensors_are_converted_as_arrays_are(name, seen_score):
    source = CONVERSIONS[name]
    points, scores = hidden(source, seed=5)
    scores[::7] = 0

    made = source.convert(
        keras.ops.convert_to_tensor(points),
        keras.ops.convert_to_tensor(scores),
        seen_score,
    )
    made_scores = source.convert_scores(
        keras.ops.convert_to_tensor(scores), seen_score
    )

    assert keras.ops.is_tensor(made) and keras.ops.is_tensor(made_scores)
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(made),
        source.convert(points, scores, seen_score),
        atol=1e-6,
    )
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(made_scores),
        source.convert_scores(scores, seen_score),
    )


@every
def test_the_first_alternative_of_which_all_is_seen_is_taken(name):
    """As a slow loop finds it."""
    source = CONVERSIONS[name]
    points, scores = hidden(source, seed=6, poses=200)

    made = source.convert(points, scores)
    made_scores = source.convert_scores(scores)

    for person in range(len(points)):
        for joint, alternatives in enumerate(source.alternatives):
            least = [
                min(scores[person, index] for index in sources)
                for sources in alternatives
            ]
            seen = [i for i, score in enumerate(least) if score >= SEEN_SCORE]
            taken = seen[0] if seen else int(np.argmax(least))
            (row,) = source.rows([alternatives[taken]])
            assert made_scores[person, joint] == least[taken]
            np.testing.assert_allclose(
                made[person, joint], row @ points[person], atol=1e-5
            )


# Where the middle of the ears is, in heights above the hip, and what is
# seen of the head: an upright adult from the front.
@pytest.mark.parametrize(
    "seen, height, across",
    [
        ("left_ear right_ear left_eye right_eye nose", 70, 0),
        ("left_ear left_eye nose", 70, 1.6),
        ("right_ear", 70, -1.6),
        ("left_eye right_eye nose", 73, 0),
        ("left_eye nose", 73, 0.1),
        ("nose", 69, 0),
    ],
)
@pytest.mark.parametrize(
    "name",
    [
        "COCO-17",
        "COCO-18",
        "BODY_25",
        "Halpe-26",
        "MediaPipe-33",
        "MoveNet-17",
        "trt_pose-18",
        "BODY_25B",
        "COCO-WholeBody-133",
        "Halpe-136",
    ],
)
def test_what_is_seen_of_a_head_is_enough(name, seen, height, across):
    source = CONVERSIONS[name]
    face = ["left_ear", "right_ear", "left_eye", "right_eye", "nose"]
    joints = np.zeros((len(source.joints), 2))
    scores = np.ones(len(source.joints))
    for joint, place in {
        "left_shoulder": (17, 50),
        "right_shoulder": (-17, 50),
        "neck": (0, 50),
        "left_ear": (8.4, 70),
        "right_ear": (-8.4, 70),
        "left_eye": (3.5, 73),
        "right_eye": (-3.5, 73),
        "nose": (0, 69),
    }.items():
        if joint in source.joints:
            joints[source.joints.index(joint)] = place
    unseen = set(face) - set(seen.split())
    for joint in unseen | {"upper_neck", "head_top"}.intersection(
        source.joints
    ):
        scores[source.joints.index(joint)] = 0.1

    points = source.convert(joints, scores)

    made = {joint: points[index(joint)] for joint in ("Neck/Nose", "Head")}
    np.testing.assert_allclose(
        made["Neck/Nose"], (across / 2, (50 + height) / 2), atol=1e-5
    )
    beyond = 0.1 if "left_ear right_ear" in seen else 0.2
    np.testing.assert_allclose(
        made["Head"],
        ((1 + beyond) * across, (1 + beyond) * height - beyond * 50),
        atol=1e-5,
    )
    assert (source.convert_scores(scores) == 1).all()


@pytest.mark.parametrize("name", ["COCO-17", "BODY_25"])
def test_a_head_is_unseen_only_if_nothing_of_it_is_seen(name):
    source = CONVERSIONS[name]
    scores = np.zeros((6, len(source.joints)))
    for row, joint in enumerate(
        ["nose", "left_eye", "right_eye", "left_ear", "right_ear"]
    ):
        scores[row, source.joints.index(joint)] = 1
    seen = source.convert_scores(scores) > 0
    assert seen[:5, index("Head")].all() and not seen[5].any()
    # It is half-way between the head and the shoulders.
    assert not seen[:, index("Neck/Nose")].any()


def test_hip_and_thorax_are_the_middles_where_they_are_not_seen():
    source = CONVERSIONS["BODY_25"]
    joints = np.random.default_rng(7).normal(size=(25, 2))
    scores = np.ones(25)
    for joint in ("neck", "mid_hip"):
        scores[source.joints.index(joint)] = 0

    points = source.convert(joints, scores)

    for joint, sources in {
        "Hip": ("left_hip", "right_hip"),
        "Thorax": ("left_shoulder", "right_shoulder"),
    }.items():
        middle = np.mean(
            [joints[source.joints.index(one)] for one in sources], axis=0
        )
        np.testing.assert_allclose(points[index(joint)], middle, atol=1e-6)
    assert (source.convert_scores(scores) == 1).all()


@every
def test_limbs_are_taken_over_as_they_are(name):
    source = CONVERSIONS[name]
    matrix = source.matrix

    for left, right in zip(H36M_17.left, H36M_17.right, strict=True):
        for joint, side in ((left, "l"), (right, "r")):
            (taken,) = np.flatnonzero(matrix[joint])
            assert matrix[joint, taken] == 1
            word = H36M_17.joints[joint][1:].lower()
            name = source.joints[taken].lower()
            assert name.startswith(side)
            assert name.endswith({"foot": ("foot", "ankle")}.get(word, word))


@pytest.mark.parametrize(
    "name, joint, expected",
    [
        # Orders as the tools' own documents number them.
        ("COCO-17", "LWrist", 9),
        ("COCO-17", "RFoot", 16),
        ("COCO-18", "RWrist", 4),
        ("COCO-18", "LFoot", 13),
        ("BODY_25", "Hip", 8),
        ("BODY_25", "LKnee", 13),
        ("Halpe-26", "Hip", 19),
        ("Halpe-26", "RKnee", 14),
        ("MediaPipe-33", "LShoulder", 11),
        ("MediaPipe-33", "RFoot", 28),
        ("MoveNet-17", "RElbow", 8),
        ("MPII-16", "RFoot", 0),
        ("MPII-16", "Neck/Nose", 8),
        ("MPII-16", "LWrist", 15),
        ("H36M-16", "Head", 9),
        ("trt_pose-18", "Thorax", 17),
        ("trt_pose-18", "RFoot", 16),
        ("BODY_25B", "Neck/Nose", 17),
        ("BODY_25B", "LHip", 11),
        ("Halpe-136", "Hip", 19),
        ("COCO-WholeBody-133", "LWrist", 9),
        ("PoseTrack-17", "Neck/Nose", 1),
        ("PoseTrack-17", "LShoulder", 5),
    ],
)
def test_source_of_a_joint(name, joint, expected):
    assert CONVERSIONS[name].matrix[index(joint), expected] == 1


def test_feet_and_tops_are_where_the_tools_number_them():
    for name, joint, expected in (
        ("BODY_25", "left_big_toe", 19),
        ("BODY_25B", "head_top", 18),
        ("BODY_25B", "left_big_toe", 19),
        ("BODY_25B", "right_heel", 24),
        ("COCO-WholeBody-133", "left_big_toe", 17),
        ("COCO-WholeBody-133", "left_heel", 19),
        ("COCO-WholeBody-133", "right_heel", 22),
        ("Halpe-26", "right_big_toe", 21),
        ("Halpe-136", "right_heel", 25),
        ("PoseTrack-17", "head_top", 2),
        ("PoseTrack-17", "left_ear", 3),
        ("PoseTrack-17", "right_ankle", 16),
    ):
        assert CONVERSIONS[name].joints.index(joint) == expected


@pytest.mark.parametrize("name", ["BODY_25B", "PoseTrack-17"])
def test_a_nose_is_enough_without_neck_and_top(name):
    source = CONVERSIONS[name]
    joints = np.random.default_rng(8).normal(size=(len(source.joints), 2))
    scores = np.zeros(len(source.joints))
    needed = ("nose", "left_shoulder", "right_shoulder")
    nose, *shoulders = (source.joints.index(joint) for joint in needed)
    scores[[nose, *shoulders]] = 1

    points = source.convert(joints, scores)

    middle = joints[shoulders].mean(axis=0)
    for joint, share in (("Neck/Nose", 0.5), ("Head", 1.2)):
        np.testing.assert_allclose(
            points[index(joint)],
            share * joints[nose] + (1 - share) * middle,
            atol=1e-6,
        )
        assert source.convert_scores(scores)[index(joint)] == 1


def test_3dhp_has_the_order_of_the_specification():
    order = [14, 8, 9, 10, 11, 12, 13, 15, 1, 16, 0, 5, 6, 7, 2, 3, 4]

    np.testing.assert_array_equal(
        CONVERSIONS["3DHP-17"].matrix, np.eye(17)[order]
    )


def test_axis_of_a_body_that_stands_upright():
    joints = np.zeros((17, 2))
    for name, place in {
        "left_hip": (10, 0),
        "right_hip": (-10, 0),
        "left_shoulder": (16, 50),
        "right_shoulder": (-16, 50),
        "left_ear": (8, 70),
        "right_ear": (-8, 70),
    }.items():
        joints[conversion.COCO_17.joints.index(name)] = place

    converted = conversion.COCO_17.convert(joints)

    for joint, height in {
        "Hip": 0,
        "Spine": 22.5,
        "Thorax": 50,
        "Neck/Nose": 60,
        "Head": 72,
    }.items():
        np.testing.assert_allclose(
            converted[index(joint)], (0, height), atol=1e-5
        )


def test_a_joint_is_as_sure_as_its_least_source():
    scores = np.ones((2, 17))
    scores[1, conversion.COCO_17.joints.index("left_hip")] = 0.25

    converted = conversion.COCO_17.convert_scores(scores)

    assert (converted[0] == 1).all()
    doubtful = {index("LHip"), index("Hip"), index("Spine")}
    assert set(np.flatnonzero(converted[1] == 0.25)) == doubtful
    assert (np.delete(converted[1], list(doubtful)) == 1).all()


@pytest.mark.parametrize("shape", [(4, 16, 2), (2,)])
def test_another_number_of_joints_is_refused(shape):
    with pytest.raises(ValueError, match="17 joints of COCO-17"):
        conversion.COCO_17.convert(np.zeros(shape))


def test_coco_and_openpose_agree_on_the_same_person():
    root = os.environ.get("AMPOSE_SAMPLES")
    if not root:
        pytest.skip("AMPOSE_SAMPLES is not set")
    folder = pathlib.Path(root) / "made_from_cmu"
    coco = json.loads((folder / "coco_results.json").read_text())
    coco = np.reshape(coco[0]["keypoints"], (17, 3))[:, :2]
    file = folder / "openpose_json/clip_000000000000_keypoints.json"
    people = json.loads(file.read_text())["people"]
    body = np.reshape(people[0]["pose_keypoints_2d"], (25, 3))[:, :2]

    np.testing.assert_allclose(
        conversion.BODY_25.convert(body),
        conversion.COCO_17.convert(coco),
        atol=0.01,
    )


def test_a_missing_joint_spoils_no_other():
    keypoints = np.ones((3, 17, 2))
    keypoints[1, conversion.COCO_17.joints.index("left_ear")] = np.nan

    converted = conversion.COCO_17.convert(keypoints)

    spoilt = np.isnan(converted).any(axis=-1)
    assert set(np.argwhere(spoilt)[:, 0]) == {1}
    assert set(np.flatnonzero(spoilt[1])) == {
        index("Neck/Nose"),
        index("Head"),
    }


def test_whole_pixels_are_not_cut_off():
    keypoints = np.zeros((17, 2), int)
    keypoints[conversion.COCO_17.joints.index("left_hip")] = 101
    keypoints[conversion.COCO_17.joints.index("right_hip")] = 102

    converted = conversion.COCO_17.convert(keypoints)

    np.testing.assert_array_equal(converted[0], [101.5, 101.5])

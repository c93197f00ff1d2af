"""A clip of two people, as every tool writes it.

Layouts follow the tools' documents and code, which `frame_forms`,
`clip_forms` and `array_files` name.
"""

import json

import numpy as np

from ampose_tf.conversion import CONVERSIONS

FRAMES = 5
IMAGE_SIZE = (640, 480)
COCO = CONVERSIONS["COCO-17"].joints

# Where joints of COCO's 17 are on somebody who stands, in heights.
_STANDING = {
    "nose": (0, 0),
    "eye": (0.02, -0.02),
    "ear": (0.04, -0.01),
    "shoulder": (0.11, 0.13),
    "elbow": (0.14, 0.31),
    "wrist": (0.15, 0.46),
    "hip": (0.07, 0.43),
    "knee": (0.08, 0.68),
    "ankle": (0.08, 0.92),
}


def _place(joint):
    for name, (x, y) in _STANDING.items():
        if joint.endswith(name):
            return (x if joint.startswith("left") else -x, y)
    above = {
        "neck": (0, 0.13),
        "upper_neck": (0, 0.12),
        "head": (0, -0.1),
        "head_top": (0, -0.12),
    }
    if joint in above:
        return above[joint]
    if joint in ("hip", "mid_hip"):
        return (0, 0.43)
    x, y = (0.1, 0.95) if "toe" in joint or "heel" in joint else (0.01, 0)
    return (-x if joint.startswith("right") else x, y)


def truth(skeleton="COCO-17", people=2):
    """Returns pixels (T, P, S, 2) and scores (T, P, S).

    Two people walk past each other: 0 to the right, 1 to the left.
    """
    joints = CONVERSIONS[skeleton].joints
    body = np.array([_place(joint) for joint in joints]) * 300
    random = np.random.default_rng(len(joints))
    time = np.arange(FRAMES)[:, None, None, None]
    where = np.array([(200.0, 100.0), (420.0, 110.0)])[:people, None]
    step = np.array([(6.0, 0.5), (-7.0, 0.5)])[:people, None]
    pixels = where + step * time + body
    pixels += random.normal(scale=1, size=pixels.shape)
    scores = random.uniform(0.5, 1, pixels.shape[:-1])
    return pixels.round(3), scores.round(4)


def _flat(pixels, scores):
    return np.concatenate([pixels, scores[..., None]], axis=-1).ravel()


def coco_results(people=2, skeleton="COCO-17"):
    pixels, scores = truth(skeleton, people)
    return [
        {
            "image_id": frame,
            "category_id": 1,
            "keypoints": _flat(pixels[frame, person], scores[frame, person])
            .round(4)
            .tolist(),
            "score": 0.9,
        }
        for frame in range(FRAMES)
        for person in range(people)
    ]


def alphapose(skeleton="Halpe-26", idx=lambda person: [0.0]):
    results = coco_results(skeleton=skeleton)
    for place, person in enumerate(results):
        person["image_id"] = f"{person['image_id']}.jpg"
        person["idx"] = idx(place % 2)
        person["box"] = [1.0, 2.0, 3.0, 4.0]
    return results


def coco_annotations():
    people = coco_results()
    for place, person in enumerate(people):
        del person["score"]
        person |= {"id": place, "iscrowd": 0, "num_keypoints": 17}
        person["keypoints"][2::3] = [2] * 17
    # Nobody who has joints.
    people.append({"image_id": 0, "id": 99, "iscrowd": 1, "keypoints": []})
    people.append({**people[0], "id": 98, "keypoints": [0] * 51})
    return {
        "images": [
            {
                "id": frame,
                "file_name": f"frame_{frame:06}.png",
                "width": IMAGE_SIZE[0],
                "height": IMAGE_SIZE[1],
            }
            for frame in range(FRAMES)
        ],
        "annotations": people,
        "categories": [{"id": 1, "name": "person", "keypoints": COCO}],
    }


def openpose_frames(skeleton="BODY_25"):
    pixels, scores = truth(skeleton)
    return [
        {
            "version": 1.3,
            "people": [
                {
                    "person_id": [-1],
                    "pose_keypoints_2d": _flat(*person).round(4).tolist(),
                    "face_keypoints_2d": [],
                }
                for person in zip(*frame, strict=True)
            ],
        }
        for frame in zip(pixels, scores, strict=True)
    ]


def mmpose_image(frame=0):
    pixels, scores = truth()
    return [
        {
            "keypoints": pixels[frame, person].tolist(),
            "keypoint_scores": scores[frame, person].tolist(),
            "bbox": [[1.0, 2.0, 3.0, 4.0]],
            "bbox_score": 0.9,
        }
        for person in range(2)
    ]


def mmpose_video():
    return [
        {"frame_id": frame, "instances": mmpose_image(frame)}
        for frame in range(FRAMES)
    ]


def mmpose_demo():
    video = mmpose_video()
    for frame in video:
        frame["frame_id"] += 1
    meta = {"dataset_name": "coco", "num_keypoints": 17}
    return {"meta_info": meta, "instance_info": video}


def ultralytics(frame=0, tracked=False, normalised=False):
    pixels, scores = truth()
    if normalised:
        pixels = pixels / IMAGE_SIZE
    people = []
    for person in range(2):
        x, y = pixels[frame, person].T.tolist()
        visible = scores[frame, person].tolist()
        people.append(
            {
                "name": "person",
                "class": 0,
                "confidence": 0.9,
                "box": {"x1": 1.0, "y1": 2.0, "x2": 3.0, "y2": 4.0},
                "keypoints": {"x": x, "y": y, "visible": visible},
            }
        )
        if tracked:
            people[-1]["track_id"] = 7 - person
    return people


def tfjs(frame=0):
    pixels, scores = truth()
    return [
        {
            "score": 0.9,
            "keypoints": [
                {"x": x, "y": y, "score": score, "name": name}
                for (x, y), score, name in zip(
                    pixels[frame, person].tolist(),
                    scores[frame, person].tolist(),
                    COCO,
                    strict=True,
                )
            ],
        }
        for person in range(2)
    ]


def by_name(frame=0):
    person = tfjs(frame)[0]["keypoints"]
    return {p["name"]: {"x": p["x"], "y": p["y"]} for p in person}


def mediapipe(frame=0, normalised=True):
    """One person's landmarks as objects."""
    pixels, scores = truth("MediaPipe-33")
    size = IMAGE_SIZE if normalised else (1, 1)
    return [
        {"x": x, "y": y, "z": -0.1, "visibility": score}
        for (x, y), score in zip(
            (pixels[frame, 0] / size).tolist(),
            scores[frame, 0].tolist(),
            strict=True,
        )
    ]


def movenet():
    pixels, scores = truth(people=1)
    points = (pixels / IMAGE_SIZE)[..., ::-1]
    array = np.concatenate([points, scores[..., None]], axis=-1)
    return array[:, None].astype(np.float32)  # (T, 1, 1, 17, 3)


def detectron2():
    pixels, scores = truth()
    frames = np.empty(FRAMES, object)
    for frame in range(FRAMES):
        rows = np.zeros((2, 4, 17), np.float32)
        rows[:, :2] = pixels[frame].transpose(0, 2, 1)
        rows[:, 3] = scores[frame] / 10
        frames[frame] = [[], rows]
    metadata = np.empty((), object)
    metadata[()] = {"w": IMAGE_SIZE[0], "h": IMAGE_SIZE[1]}
    return {"boxes": frames, "keypoints": frames, "metadata": metadata}


def detectron2_custom():
    size = {"w": IMAGE_SIZE[0], "h": IMAGE_SIZE[1]}
    positions, metadata = np.empty((), object), np.empty((), object)
    positions[()] = {"clip.mp4": {"custom": [truth()[0][:, 0]]}}
    metadata[()] = {
        "layout_name": "coco",
        "num_joints": 17,
        "video_metadata": {"clip.mp4": size},
    }
    return {"positions_2d": positions, "metadata": metadata}


def csv_text():
    pixels, scores = truth()
    columns = [f"{j}_{part}" for j in COCO for part in ("x", "y", "score")]
    lines = [",".join(["frame", "track_id", *columns])]
    for frame in range(FRAMES):
        for person in range(2):
            row = _flat(pixels[frame, person], scores[frame, person])
            lines.append(f"{frame},{person}," + ",".join(map(str, row)))
    return "\n".join(lines) + "\n"


def write_all(folder):
    """Writes a clip in every format; returns {name: path}."""
    frames = range(FRAMES)
    values = {
        "coco": coco_results(),
        "coco_annotations": coco_annotations(),
        "alphapose": alphapose(),
        "openpose": openpose_frames()[0],
        "mmpose_image": mmpose_image(),
        "mmpose_video": mmpose_video(),
        "mmpose_demo": mmpose_demo(),
        "ultralytics": [ultralytics(frame) for frame in frames],
        "ultralytics_text": [json.dumps(ultralytics(f)) for f in frames],
        "tfjs": [tfjs(frame) for frame in frames],
        "by_name": [by_name(frame) for frame in frames],
        "mediapipe": [mediapipe(frame) for frame in frames],
        "own": {
            "frames": [mediapipe(frame) for frame in frames],
            "image_size": IMAGE_SIZE,
            "fps": 25,
        },
    }
    paths = {}
    for name, value in values.items():
        paths[name] = folder / f"{name}.json"
        paths[name].write_text(json.dumps(value))
    paths["openpose_folder"] = folder / "openpose"
    paths["openpose_folder"].mkdir()
    for number, frame in enumerate(openpose_frames("COCO-18")):
        file = f"clip_{number:012}_keypoints.json"
        (paths["openpose_folder"] / file).write_text(json.dumps(frame))
    paths["lines"] = folder / "lines.jsonl"
    paths["lines"].write_text(
        "\n".join(json.dumps(frame) for frame in openpose_frames())
    )
    paths["coco_lines"] = folder / "people.jsonl"
    paths["coco_lines"].write_text(
        "\n".join(json.dumps(person) for person in alphapose("COCO-17"))
    )
    arrays = {
        "detectron2": detectron2(),
        "detectron2_custom": detectron2_custom(),
        "plain": {"keypoints_px": truth()[0][:, 0], "fps": 30},
    }
    for name, members in arrays.items():
        paths[name] = folder / f"{name}.npz"
        np.savez(paths[name], **members)
    paths["movenet"] = folder / "movenet.npy"
    np.save(paths["movenet"], movenet())
    paths["csv"] = folder / "clip.csv"
    paths["csv"].write_text(csv_text())
    return paths

"""docs/keypoints.md: each tool's row is a file that is read so."""

import itertools
import json
import pathlib
import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from ampose_tf import conversion
from ampose_tf.lifting import formats, keypoints, untrusted
from ampose_tf.lifting.readers import crowd, vocabulary
from tests import clips, h5_clips
from tests.clips import COCO, FRAMES, IMAGE_SIZE

PAGE = pathlib.Path(__file__).parents[3] / "docs/keypoints.md"
TEXT = PAGE.read_text(encoding="utf-8")
PIXELS, SCORES = clips.truth()


def rows_below(heading):
    """Cells of the table whose first cell is the heading."""
    table = TEXT[TEXT.index(f"| {heading} |") :].split("\n\n")[0]
    return [
        [cell.strip() for cell in line.strip("|").split(" | ")]
        for line in table.splitlines()[2:]
    ]


def flat(frame, person=0, scale=(1, 1, 1)):
    table = np.column_stack([PIXELS[frame, person], SCORES[frame, person]])
    table = table * scale
    return table.round(6).ravel().tolist()


def results(name="image_id", label=int, scale=(1, 1, 1), **more):
    return [
        {name: label(frame), "keypoints": flat(frame, own, scale), **more}
        for frame in range(FRAMES)
        for own in range(2)
    ]


def alphapose_open():
    return {
        f"{n}.jpg": {"version": "AlphaPose v0.3", **frame}
        for n, frame in enumerate(clips.openpose_frames("COCO-18"))
    }


def posetrack():
    names = conversion.CONVERSIONS["PoseTrack-17"].joints
    pixels, scores = clips.truth("PoseTrack-17")
    value = clips.coco_annotations()
    value["categories"][0]["keypoints"] = list(names)
    value["annotations"] = [
        {
            "id": 10 * frame + own,
            "image_id": frame,
            "track_id": own,
            "category_id": 1,
            "keypoints": np.column_stack([pixels[frame, own], np.ones(17)])
            .ravel()
            .tolist(),
        }
        for frame in range(FRAMES)
        for own in range(2)
    ]
    return value


def posenet():
    return [
        [
            {
                "score": person["score"],
                "keypoints": [
                    {
                        "part": point["name"],
                        "score": point["score"],
                        "position": {"x": point["x"], "y": point["y"]},
                    }
                    for point in person["keypoints"]
                ],
            }
            for person in clips.tfjs(frame)
        ]
        for frame in range(FRAMES)
    ]


def ultralytics_table():
    lines = ["name,class,confidence,box,keypoints"]
    for frame in range(FRAMES):
        person = clips.ultralytics(frame)[0]
        lines.append(f'person,0,0.9,"{person["box"]}","{person["keypoints"]}"')
    return "\n".join(lines)


def yolo_labels(folder):
    for frame in range(FRAMES):
        lines = [
            "0 .5 .5 .1 .1 "
            + " ".join(map(str, flat(frame, own, (1 / 640, 1 / 480, 1))))
            for own in range(2)
        ]
        (folder / f"clip_{frame}.txt").write_text("\n".join(lines))


def openpose_folder(folder):
    for number, frame in enumerate(clips.openpose_frames()):
        name = f"clip_{number:012}_keypoints.json"
        (folder / name).write_text(json.dumps(frame))


def mediapipe_table():
    header = [f"{a}{n}" for n in range(1, 34) for a in "xyzv"]
    lines = [",".join(header)]
    for frame in range(FRAMES):
        points = clips.mediapipe(frame)
        lines.append(",".join(str(n) for p in points for n in p.values()))
    return "\n".join(lines)


def deeplabcut_table():
    header = [
        ["scorer", *["DLC"] * 51],
        ["bodyparts", *(j for j in COCO for _ in range(3))],
        ["coords", *["x", "y", "likelihood"] * 17],
    ]
    rows = [[frame, *flat(frame)] for frame in range(FRAMES)]
    return "\n".join(",".join(map(str, row)) for row in (*header, *rows))


def ml_kit():
    return [
        {
            "landmarks": [
                {
                    "x": p["x"],
                    "y": p["y"],
                    "z": 0.5,
                    "inFrameLikelihood": p["visibility"],
                }
                for p in clips.mediapipe(frame, False)
            ],
            "frameWidth": 640,
            "frameHeight": 480,
        }
        for frame in range(FRAMES)
    ]


def rtmlib():
    return [
        {
            "frame": frame,
            "keypoints": PIXELS[frame].tolist(),
            "scores": SCORES[frame].tolist(),
        }
        for frame in range(FRAMES)
    ]


# Of each row of the page: JSON, text, arrays, or a function of the path.
FILES = {
    "COCO results": clips.coco_results(),
    "COCO annotations, CVAT, Roboflow": clips.coco_annotations(),
    "PoseTrack": posetrack(),
    "AlphaPose": clips.alphapose(),
    "AlphaPose `--format open`": alphapose_open(),
    "OpenPose": openpose_folder,
    "MMPose inferencer": clips.mmpose_video(),
    "MMPose demos": clips.mmpose_demo(),
    "rtmlib": rtmlib(),
    "Ultralytics `to_json`": [
        json.dumps(clips.ultralytics(frame)) for frame in range(FRAMES)
    ],
    "Ultralytics `to_csv`": ultralytics_table(),
    "Ultralytics `save_txt`": yolo_labels,
    "Detectron2": clips.detectron2(),
    "Detectron2 COCO results": results(scale=(1, 1, 0.15), score=0.98),
    "VideoPose3D": clips.detectron2_custom(),
    "MediaPipe": {
        "frames": [clips.mediapipe(frame) for frame in range(FRAMES)],
        "image_size": IMAGE_SIZE,
    },
    "MediaPipe table": mediapipe_table(),
    "ML Kit": ml_kit(),
    "MoveNet": np.dstack(
        [
            (PIXELS[:, 0] / IMAGE_SIZE)[..., ::-1],
            SCORES[:, 0],
        ]
    )[:, None, None],
    "tfjs pose-detection": [clips.tfjs(frame) for frame in range(FRAMES)],
    "PoseNet, ml5": posenet(),
    "trt_pose": clips.truth("trt_pose-18")[0][:, 0],
    "DeepLabCut `.csv`": deeplabcut_table(),
    "DeepLabCut `.h5`": lambda path: h5_clips.write_table(
        path, h5_clips.columns(2), h5_clips.cells(2)
    ),
    "SLEAP": h5_clips.write_sleap,
    "arrays": PIXELS,
    "our own `.npz`": {
        "keypoints_px": PIXELS[:, 0],
        "scores": SCORES[:, 0],
        "image_size": IMAGE_SIZE,
        "fps": 25,
        "frame_numbers": np.arange(FRAMES),
    },
    "tables": clips.csv_text(),
    "JSON lines": "\n".join(map(json.dumps, clips.openpose_frames())),
}
ROWS = {row[0]: row for row in rows_below("tool")}


def test_every_row_has_a_file():
    assert list(ROWS) == list(FILES)


def save(folder, ending, content):
    path = folder / f"clip{ending}"
    if callable(content):
        target = folder if "." not in ending else path
        content(target)
        return target
    if ending == ".npy":
        np.save(path, content)
    elif ending == ".npz":
        np.savez(path, **content)
    else:
        text = content if isinstance(content, str) else json.dumps(content)
        path.write_text(text)
    return path


@pytest.mark.parametrize("tool", FILES)
def test_each_tools_file_is_read(tmp_path, tool):
    _, _, file, skeleton = ROWS[tool]
    content = FILES[tool]
    is_folder = "folder" in file
    ending = "" if is_folder else re.findall(r"\.[a-z0-9]+", file)[-1]
    path = save(tmp_path, ending, content)
    assert path.is_dir() == is_folder
    read = formats.read(path, IMAGE_SIZE)
    assert read.skeleton == skeleton
    assert read.frame_count == FRAMES
    assert len(read.tracks) in (1, 2)
    pixels, _ = clips.truth(skeleton.replace("MoveNet", "COCO"))
    for track, person in zip(read.tracks, itertools.count()):
        np.testing.assert_allclose(track.pixels, pixels[:, person], atol=5e-3)
    assert not any("Not read" in note for note in read.notes)


def test_names_mean_what_the_page_says():
    meanings = {
        "score of a joint": {vocabulary.SCORE},
        "score of a person": {vocabulary.PERSON_SCORE, vocabulary.SCORE},
        "frame": {vocabulary.FRAME, vocabulary.IMAGE, vocabulary.TIME},
        "person": {vocabulary.PERSON, vocabulary.ID},
        "image size": {
            vocabulary.WIDTH,
            vocabulary.HEIGHT,
            vocabulary.SIZE,
            vocabulary.SHAPE,
        },
    }
    rows = {
        row[0]: re.findall(r"`(\w+)`", row[1]) for row in rows_below("meaning")
    }
    for name, expected in meanings.items():
        assert len(rows[name]) > 3
        for word in rows[name]:
            assert vocabulary.meaning(word) in expected, word
    *fields, one, two, three, four, five = rows["joints"]
    for word in fields:
        assert vocabulary.meaning(word) == vocabulary.JOINTS
    assert {vocabulary.joint(n) for n in (one, two, three, four, five)} == {
        "left_wrist"
    }


def test_limits_and_thresholds_are_those_of_the_code():
    assert f"`--person_score` ({keypoints.PERSON_SCORE:g})" in TEXT
    assert f"above {crowd.DUPLICATE:g}" in TEXT
    assert f"{untrusted.MAX_BYTES // 2**20} MiB per file" in TEXT
    assert f"{untrusted.MAX_FRAMES:,} frames" in TEXT
    assert f"{untrusted.MAX_PEOPLE} people" in TEXT
    assert f"{untrusted.MAX_PIXEL:,} pixels" in TEXT


def test_mediapipes_snippet(tmp_path):
    (snippet,) = snippets("## MediaPipe")
    defined = {}
    exec(snippet, defined)
    seen = [SimpleNamespace(x=0.1, y=0.2, z=0.3, visibility=0.9)] * 33
    found = [SimpleNamespace(pose_landmarks=p) for p in ([seen], [], [seen])]
    defined["save"](tmp_path / "video.json", found, 640, 480, 25)
    read = formats.read(tmp_path / "video.json")
    assert read.image_size == (640, 480) and read.fps == 25
    assert read.tracks[0].frames.tolist() == [0, 2]
    np.testing.assert_allclose(read.tracks[0].pixels[0, 5], (64, 96))


# Programs of the page, on libraries whose results have the shapes of those.


def snippets(heading):
    """Returns the Python below a heading of the page."""
    below = TEXT[TEXT.index(f"\n{heading}\n") + len(heading) + 2 :]
    below = re.split(r"\n##+ ", below)[0]
    return re.findall(r"```python\n(.*?)```", below, flags=re.S)


def module(**members):
    return SimpleNamespace(**members)


class Video:
    """OpenCV's VideoCapture; its pictures are the numbers of frames."""

    def __init__(self, path):
        assert path == "clip.mp4"
        self.number = -1

    def read(self):
        self.number += 1
        if self.number == FRAMES:
            return False, None
        width, height = IMAGE_SIZE
        return True, np.full((height, width, 3), self.number, np.uint8)

    def get(self, what):
        width, height = map(float, IMAGE_SIZE)
        return {3: width, 4: height, 5: 25.0}[what]


OPENCV = module(
    VideoCapture=Video,
    cvtColor=lambda picture, code: picture[..., ::-1].copy(),
    COLOR_BGR2RGB=4,
    CAP_PROP_FRAME_WIDTH=3,
    CAP_PROP_FRAME_HEIGHT=4,
    CAP_PROP_FPS=5,
)


def number_of(picture):
    return int(np.asarray(picture).flat[0])


def rtmlib():
    def find(picture):
        number = number_of(picture)
        return PIXELS[number], SCORES[number]

    return {"cv2": OPENCV, "rtmlib": module(Body=lambda: find)}


def ultralytics():
    def result(number):
        people = [
            {
                "name": "person",
                "class": 0,
                "confidence": 0.9,
                "box": {"x1": 1.0, "y1": 2.0, "x2": 3.0, "y2": 4.0},
                "track_id": own + 1,
                "keypoints": {
                    "x": PIXELS[number, own, :, 0].tolist(),
                    "y": PIXELS[number, own, :, 1].tolist(),
                    "visible": SCORES[number, own].tolist(),
                },
            }
            for own in range(2)
        ]
        return module(
            orig_shape=IMAGE_SIZE[::-1], to_json=lambda: json.dumps(people)
        )

    def track(path, stream):
        assert (path, stream) == ("clip.mp4", True)
        return map(result, range(FRAMES))

    return {"ultralytics": module(YOLO=lambda name: module(track=track))}


def mmpose():
    def inferencer(path):
        for number in range(FRAMES):
            people = [
                {
                    "keypoints": PIXELS[number, own].tolist(),
                    "keypoint_scores": SCORES[number, own].tolist(),
                    "bbox": ([1.0, 2.0, 3.0, 4.0],),
                    "bbox_score": np.float32(0.9),
                }
                for own in range(2)
            ]
            yield {"visualization": [], "predictions": [people]}

    apis = module(MMPoseInferencer=lambda name: inferencer)
    return {"mmpose": module(apis=apis), "mmpose.apis": apis}


def vitpose():
    """One of the frames has no person, and a box that is none."""

    def detect(picture):
        box = {"xmin": 10, "ymin": 20, "xmax": 40, "ymax": 80}
        found = [{"score": 0.9, "label": "car", "box": box}]
        return found + 2 * [{"score": 0.8, "label": "person", "box": box}]

    class Processor:
        def __call__(self, picture, boxes, return_tensors):
            assert boxes == [2 * [[10, 20, 30, 60]]]
            return {"pixel_values": number_of(picture)}

        def post_process_pose_estimation(self, output, boxes):
            return [
                [
                    {"keypoints": PIXELS[output, own], "bbox": None}
                    | {"scores": SCORES[output, own], "labels": None}
                    for own in range(2)
                ]
            ]

    def loaded(made):
        return module(from_pretrained=lambda name: made)

    return {
        "cv2": OPENCV,
        "torch": module(set_grad_enabled=lambda mode: None),
        "transformers": module(
            pipeline=lambda task, name: detect,
            AutoProcessor=loaded(Processor()),
            VitPoseForPoseEstimation=loaded(lambda pixel_values: pixel_values),
        ),
    }


def openpose():
    pixels, scores = clips.truth("BODY_25")
    keypoints = np.concatenate([pixels, scores[..., None]], axis=-1)

    def emplace(data):
        (datum,) = data
        number = number_of(datum.cvInputData)
        datum.poseKeypoints = keypoints[number].astype(np.float32)

    wrapper = module(
        configure=lambda flags: None,
        start=lambda: None,
        emplaceAndPop=emplace,
    )
    pyopenpose = module(
        WrapperPython=lambda: wrapper, Datum=module, VectorDatum=list
    )
    return {"cv2": OPENCV, "openpose": module(pyopenpose=pyopenpose)}


@pytest.mark.parametrize(
    ("heading", "libraries", "skeleton", "known"),
    [
        ("rtmlib", rtmlib, "COCO-17", (IMAGE_SIZE, 25)),
        ("Ultralytics", ultralytics, "COCO-17", (IMAGE_SIZE, None)),
        ("MMPose", mmpose, "COCO-17", (None, None)),
        ("ViTPose", vitpose, "COCO-17", (IMAGE_SIZE, 25)),
        ("OpenPose", openpose, "BODY_25", (IMAGE_SIZE, 25)),
    ],
)
def test_each_tools_program_saves_what_is_read(
    tmp_path, monkeypatch, heading, libraries, skeleton, known
):
    monkeypatch.chdir(tmp_path)
    for name, fake in libraries().items():
        monkeypatch.setitem(sys.modules, name, fake)
    (program,) = snippets(f"### {heading}")
    exec(program, {})
    read = formats.read("clip.json")
    assert (read.image_size, read.fps) == known
    assert read.skeleton == skeleton and read.frame_count == FRAMES
    assert not [note for note in read.notes if note.startswith("Not read")]
    pixels, scores = clips.truth(skeleton)
    assert len(read.tracks) == 2
    first = sorted(read.tracks, key=lambda track: track.pixels[0, 0, 0])
    order = np.argsort(pixels[0, :, 0, 0])
    for own, track in zip(order, first, strict=True):
        assert track.frames.tolist() == list(range(FRAMES))
        seen = scores[:, own] > 0
        np.testing.assert_allclose(
            track.pixels[seen], pixels[:, own][seen], rtol=1e-5
        )
        np.testing.assert_allclose(
            track.scores[seen], scores[:, own][seen], rtol=1e-5
        )

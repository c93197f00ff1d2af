"""The meanings of names in keypoint files, for all tools.

Tools save the same things under different names: a score is `confidence`,
`visibility` or `inFrameLikelihood`, a frame `frame_id`, `frameNumber` or
`image_name`, a wrist `left_wrist`, `LWrist` or `wrist_l`. All readers look up
names of fields and columns with `meaning`, and names of joints with `joint`,
so that all formats accept the same names.
"""

import functools
import re

# Meanings of fields; `None` stands for an unknown one.
FRAME = "frame"  # The number of a frame.
IMAGE = "image"  # The name or id of an image.
TIME = "time"
PERSON = "person"  # The id of a person.
PEOPLE = "people"  # A list of people.
FRAMES = "frames"  # A list of frames.
VIDEO = "video"  # The name of a clip.
JOINTS = "joints"  # Joints of a person, or of several.
JOINTS_3D = "joints 3D"
SCORE = "score"
PERSON_SCORE = "person score"
JOINT_SCORES = "joint scores"
NAME = "name"
JOINT_NAMES = "joint names"
JOINT_NUMBER = "joint number"
WIDTH, HEIGHT, SIZE, SHAPE = "width", "height", "size", "shape"
FPS = "fps"
ID = "id"
X, Y, Z = "x", "y", "z"
POSITION = "position"
IRRELEVANT = "irrelevant"

# For messages: names that would have been understood.
KNOWN_NAMES = {
    SCORE: "score, confidence, visibility, likelihood",
    FRAME: "frame, frame_id, file_name, timestamp_ms",
    PERSON: "track_id, person_id",
}


def _words(text):
    return frozenset(text.split())


_CLASSES = {
    "score": "score confidence conf visibility vis visible presence "
    "likelihood accuracy prob probability valid certainty",
    "frame": "frame",
    "image": "image img picture photo file filename filepath path",
    "number": "id idx index number num no nr counter",
    "count": "count of total",
    "name": "name",
    "time": "timestamp time seconds sec pts",
    "unit": "ms us ns s millis milliseconds msec",
    "person": "person track tracking player subject identity human body "
    "instance actor skeleton figure object",
    "people": "people persons instances bodies humans players detections "
    "poses predictions objects figures subjects actors skeletons",
    "box": "bbox box rect rectangle detection det proposal pose mean avg "
    "average overall",
    "joint": "keypoint keypoints kp kps kpt kpts joint joints landmark "
    "landmarks point points bodypart bodyparts part parts coordinate "
    "coordinates coord coords xy marker markers pts2d",
    "plane": "pred predicted detected estimated raw filtered all 2d px pixel "
    "pixels list array data normalized normalised norm "
    "in screen position positions",
    "solid": "3d world xyz",
    "other": "face hand hands left right foot feet",
    "width": "width w",
    "height": "height h",
    "size": "size resolution dimensions dims",
    "shape": "shape",
    "rate": "fps rate framespersecond",
    "clip": "video clip camera cam sequence recording take",
    "whole": "video original orig input source src frame image img camera",
}
_WORDS = {}
for _class, _text in _CLASSES.items():
    for _word in _words(_text):
        _WORDS.setdefault(_word, set()).add(_class)
# The length of a name; longer ones are unknown.
_LONGEST = 40

_EXACT = {
    "x": X, "px": X, "xpx": X, "xpixel": X, "posx": X, "xcoordinate": X,
    "y": Y, "py": Y, "ypx": Y, "ypixel": Y, "posy": Y, "ycoordinate": Y,
    "z": Z, "pz": Z, "posz": Z,
    "v": SCORE, "c": SCORE, "s": SCORE, "p": SCORE,
    "id": ID, "idx": PERSON, "pid": PERSON, "track": PERSON,
    "index": ID, "person": PERSON, "personid": PERSON, "player": PERSON,
    "subject": PERSON, "identity": PERSON, "individual": PERSON,
    "individuals": PERSON,
    "n": ID,
    "name": NAME, "part": NAME, "bodypart": NAME, "joint": NAME,
    "label": NAME, "type": NAME, "class": NAME, "category": NAME,
    "keypoint": NAME, "landmark": NAME, "jointname": NAME,
    "position": POSITION, "pos": POSITION, "location": POSITION,
    "t": TIME, "ts": TIME, "time": TIME,
    "frames": FRAMES, "instanceinfo": FRAMES, "results": FRAMES,
    "sequence": FRAMES, "framedata": FRAMES, "data": FRAMES,
    "video": FRAMES, "clip": FRAMES,
    "people": PEOPLE, "pose": JOINTS, "pose2d": JOINTS, "body": JOINTS,
    "skeleton": JOINTS, "joints": JOINTS, "landmarks": JOINTS,
    "keypoints": JOINTS, "persons": PEOPLE,
    "wh": SIZE, "imagesize": SIZE, "hw": SHAPE,
}  # fmt: skip
# Known names that are not used.
_IRRELEVANT = _words(
    """
    version iscrowd crowd area numkeypoints segmentation segments
    segment category categoryid classid classname supercategory
    license licenses info date datecaptured datecreated url cocourl
    flickrurl description contributor year metainfo bbox bboxes box
    boxes bboxxyxy bboxxywh xyxy xywh boundingbox rect rectangle scale
    center centre rotation detections3d facekeypoints2d
    handleftkeypoints2d handrightkeypoints2d facekeypoints3d
    handleftkeypoints3d handrightkeypoints3d partcandidates
    facelandmarks lefthandlandmarks righthandlandmarks
    lefthandkeypoints righthandkeypoints facekeypoints footkeypoints
    leftkeypoints rightkeypoints lefthandkpts righthandkpts facekpts
    footkpts handedness segmentationmask segmentationmasks mask masks
    faceblendshapes model tracker tool scorer speed origshape
    numframes nframes totalframes numberofframes framecount
    bodypartids ignoreregionsx ignoreregionsy ignoreregions
    hasnolabels isiscrowd islabeled nframes imagecount headbox
    bboxhead bodybboxes vidid isfinished hashead attributes occlusions
    edges keypointedges bones tags annotatorid jointids jointid
    lefthandvalid righthandvalid facevalid footvalid faceprob handprob
    user predboxes predclasses labels flags
    """
)

# Meanings of words before a joint's number; units that follow an axis.
_OF_JOINTS = (NAME, JOINTS, SCORE, None)
_PIXEL_UNITS = ("px", "pixel", "pixels")

_SIDES = {"left": "left", "right": "right", "l": "left", "r": "right"}
# Joints that may follow or precede a side without a separator.
_PARTS = _words(
    """
    eye eyeinner eyeouter ear shoulder elbow wrist hand hip knee ankle
    foot bigtoe smalltoe toe heel mouth pinky index thumb footindex
    innereye outereye collar clavicle thigh shin
    """
)
# Words that may precede or follow a joint's name.
_AROUND = _words(
    "keypoint keypoints kp kpt landmark landmarks pose joint joints marker"
)
_PART_NAMES = {
    "innereye": "eye_inner",
    "eyeinner": "eye_inner",
    "outereye": "eye_outer",
    "eyeouter": "eye_outer",
    "bigtoe": "big_toe",
    "smalltoe": "small_toe",
    "footindex": "foot_index",
    "pinkyfinger": "pinky",
    "littlefinger": "pinky",
    "indexfinger": "index",
    "mouthcorner": "mouth",
}

# Units in seconds. The first match is used, so longer names come first.
_UNITS = {
    "milliseconds": 1e-3,
    "millis": 1e-3,
    "msec": 1e-3,
    "ms": 1e-3,
    "us": 1e-6,
    "ns": 1e-9,
    "seconds": 1.0,
    "sec": 1.0,
}


def _squeezed(name):
    return re.sub(r"[\W_]+", "", name.casefold())


@functools.lru_cache(4096)
def meaning(name: str) -> str | None:
    """Returns the meaning of a field's or column's name.

    Case, separators and plurals are ignored.

    Args:
        name: Name in the file.

    Returns:
        One of this module's meanings; None for an unknown name.
    """
    squeezed = _squeezed(name)
    if squeezed in _EXACT:
        return _EXACT[squeezed]
    if squeezed in _IRRELEVANT:
        return IRRELEVANT
    words = _segmented(squeezed) if len(squeezed) <= _LONGEST else None
    return None if words is None else _meaning_of(words)


@functools.lru_cache(4096)  # Each remainder is split only once.
def _segmented(squeezed):
    """Returns the classes of each word in a name, or None."""
    if not squeezed:
        return []
    for end in range(len(squeezed), 0, -1):
        word = squeezed[:end]
        classes = _WORDS.get(word) or _WORDS.get(word.removesuffix("s"))
        if classes:
            rest = _segmented(squeezed[end:])
            if rest is not None:
                return [classes, *rest]
    return None


def _meaning_of(words):
    """Returns the meaning of words, each given by its set of classes."""

    def has(name):
        return any(name in word for word in words)

    def only(*names):
        return all(not word.isdisjoint(names) for word in words)

    if has("score"):
        if has("other"):
            return IRRELEVANT
        if has("joint"):
            return JOINT_SCORES
        if has("box") or has("person") or has("people"):
            return PERSON_SCORE
        return SCORE
    if has("rate"):
        return FPS
    if has("count"):
        return IRRELEVANT
    for side, value in (
        ("width", WIDTH),
        ("height", HEIGHT),
        ("size", SIZE),
        ("shape", SHAPE),
    ):
        if has(side):
            return value if only(side, "whole") else IRRELEVANT
    if has("time") and only("time", "unit", "frame", "image", "whole"):
        return TIME
    if has("solid"):
        return IRRELEVANT if has("other") else JOINTS_3D
    if has("joint"):
        if has("other"):
            return IRRELEVANT
        if has("name"):
            return JOINT_NAMES
        if has("number"):
            return JOINT_NUMBER if only("joint", "number") else None
        return JOINTS if only("joint", "plane", "person", "box") else None
    if has("person") and has("number") and only("person", "number"):
        return PERSON
    if has("frame") and only("frame", "number"):
        return FRAME
    if has("image") and only("image", "number", "name", "frame"):
        return IMAGE
    if has("clip") and only("clip", "number", "name", "image"):
        return VIDEO
    if has("people") and only("people", "plane", "person"):
        return PEOPLE
    return None


@functools.lru_cache(4096)
def is_clip(name: str) -> bool:
    """Whether a field or column may contain the name of a clip or camera."""
    return meaning(name) == VIDEO or _squeezed(name) in ("video", "clip")


def time_unit(name: str) -> float | None:
    """Returns the unit at the end of a time's name, in seconds.

    None if the name has no unit, as in `timestamps`, which is a plural.
    """
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)
    if re.split(r"[\W_]+", words)[-1].lower() == "s":
        return 1.0
    squeezed = _squeezed(name)
    return next(
        (
            seconds
            for ending, seconds in _UNITS.items()
            if squeezed.endswith(ending)
        ),
        None,
    )


@functools.lru_cache(4096)
def joint(name: str) -> str:
    """Returns a joint's name in a form that is the same for all tools.

    MediaPipe's LEFT_WRIST, PoseNet's leftWrist, "L Wrist" and "wrist.l" are
    `left_wrist`.
    """
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name.strip())
    words = re.sub(r"^([LR])(?=[A-Z][a-z])", r"\1 ", words)
    words = [word.lower() for word in re.split(r"[\W_]+", words) if word]
    for place in (0, -1):
        while len(words) > 1 and words[place] in _AROUND:
            words.pop(place)
    for place in (0, -1):
        if len(words) > 1 and words[place] in _SIDES:
            side = _SIDES[words.pop(place)]
            return f"{side}_{_part(''.join(words))}"
    whole = "".join(words)
    for start, side in _SIDES.items():
        rest = whole.removeprefix(start)
        if rest != whole and rest in _PARTS:
            return f"{side}_{_part(rest)}"
        rest = whole.removesuffix(start)
        if rest != whole and len(start) > 1 and rest in _PARTS:
            return f"{side}_{_part(rest)}"
    return "_".join(words)


def joint_column(name: str) -> tuple[str | int, str] | None:
    """Returns a column's joint, by name or number, and its axis, or None."""
    if meaning(name) not in (
        None,
        JOINT_SCORES,
        IRRELEVANT,  # For example "left_index_score".
    ):
        return None
    words = [
        word
        for word in re.split(
            r"[\W_]+|(?<=[a-z0-9])(?=[A-Z])|(?<=[a-zA-Z])(?=[0-9])"
            r"|(?<=[0-9])(?=[a-zA-Z])",
            name.strip(),
        )
        if word
    ]
    while len(words) > 2 and words[-1].lower() in _PIXEL_UNITS:
        words.pop()
    for axis, rest in ((words[-1:], words[:-1]), (words[:1], words[1:])):
        what = meaning("".join(axis))
        if what not in (X, Y, Z, SCORE) or not rest:
            continue
        if [word.lower() for word in rest[-2:]] == ["in", "frame"]:
            rest = rest[:-2]  # "in frame" of in-frame likelihoods.
        if re.fullmatch("[0-9]{1,3}", rest[-1]) and all(
            meaning(word) in _OF_JOINTS for word in rest[:-1]
        ):
            return int(rest[-1]), what
        joint = "_".join(rest)
        if meaning(joint) is IRRELEVANT:
            return None
        return joint, what
    return None


def _part(squeezed):
    return _PART_NAMES.get(squeezed, squeezed)

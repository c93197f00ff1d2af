"""Files and folders: which reader is for what is in them."""

import pathlib
import re

from ampose_tf import reading
from ampose_tf.data import archive
from ampose_tf.lifting import results, untrusted
from ampose_tf.lifting.readers import labels, sequences
from ampose_tf.lifting.readers.forms import (
    array_files,
    clip_forms,
    h5_files,
    streams,
    tables,
    yolo,
)
from ampose_tf.lifting.readers.records import Account, Group, Recording
from ampose_tf.lifting.readers.sequences import Options

_LONGEST_LABEL = 65536

# What may stand before JSON: blanks and the mark of UTF-8.
_SPACE = b" \t\r\n\xef\xbb\xbf"

# How files begin, and from which byte on.
_OTHERS = {
    "Python's pickle, which may run programs": ((0, b"\x80"),),
    "MATLAB's .mat": ((0, b"MATLAB"),),
    "Parquet": ((0, b"PAR1"),),
    "a spreadsheet or a zip": ((0, b"PK"),),
    "motion capture, which is 3D": (
        (0, b"HIERARCHY"),
        (0, b"PathFileType"),
        (1, b"P\0"),
    ),
    "XML or a web page": ((0, b"<"),),
    "a compressed archive": (
        (0, b"7z\xbc\xaf"),
        (0, b"BZh"),
        (0, b"\xfd7zXZ"),
        (0, b"Rar!"),
        (0, b"x\x9c"),
        (0, b"x\xda"),
        (257, b"ustar"),
    ),
    "a pointer of Git LFS (git lfs pull brings the file)": (
        (0, b"version https://git-lfs"),
    ),
    "Python's text of lists and objects (json.dump writes JSON)": (
        (0, b"{'"),
        (0, b"[{'"),
    ),
}
_PICTURES = {
    "a video": (
        (4, b"ftyp"),
        (8, b"AVI "),
        (0, b"\x1a\x45\xdf\xa3"),
        (0, b"\x00\x00\x01\xba"),
    ),
    "an image": (
        (0, b"\xff\xd8\xff"),
        (0, b"\x89PNG"),
        (0, b"GIF8"),
        (0, b"BM"),
        (8, b"WEBP"),
    ),
}
_VIDEO_ENDINGS = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg")


def is_one_frame(path: pathlib.Path) -> bool:
    """Whether a file of a folder holds a single frame, or cannot be read."""
    if path.suffix.lower() == ".txt":
        return True
    try:
        with reading.guarded():
            content = _as_utf8(untrusted.unpacked(untrusted.read(path)))
            return clip_forms.is_one_frame(untrusted.parse(content))
    except (ValueError, OSError):
        return True


def frames_in(folder: pathlib.Path) -> list[pathlib.Path]:
    """Returns the files of a folder's frames, in the order of their numbers.

    JSON files or YOLO labels, of which there are more. Hidden files, as macOS
    leaves them beside others, are none of them.
    """
    visible = [p for p in folder.iterdir() if not p.name.startswith(".")]
    found = [
        p
        for p in visible
        if p.name.lower().removesuffix(".gz").endswith(".json")
    ]
    texts = [p for p in visible if p.suffix.lower() == ".txt"]
    if len(texts) > len(found):
        labels_of_yolo = [p for p in texts if _is_yolo(p)]
        found = max(found, labels_of_yolo, key=len)
    return sorted(found, key=lambda path: natural(path.name))


def _is_yolo(path):
    try:
        with reading.opened(path) as file:
            line = file.readline(_LONGEST_LABEL)
    except OSError:  # No file, or no permission.
        return False
    return not line.strip() or yolo.is_label(line.decode("latin-1"))


def natural(name: str) -> list[tuple[int, int, str]]:
    """Returns a key that sorts "2.json" before "10.json"."""
    return [
        (1, int(part), "") if part.isdecimal() else (0, 0, part)
        for part in re.split(r"([0-9]{1,18})", name)
    ]


def read_file(
    path: pathlib.Path, options: Options, account: Account
) -> Recording:
    """Reads a file of any tool.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it is of no known form, or wrong in itself.
    """
    if not path.exists():
        raise FileNotFoundError(f"no keypoint file {path}")
    content = untrusted.unpacked(untrusted.read(path))
    if content.startswith(b"\x89HDF"):
        return h5_files.read(path, options, account)
    if content.startswith(b"\x93NUMPY"):
        array = archive.read_npy(content)
        return array_files.read_array(array, options, account)
    if content.startswith(b"PK") and _is_npz(content):
        members = archive.read(content, most=untrusted.MAX_BYTES)
        _refuse_lifted(members)
        rows = array_files.rows_of(members)
        if rows is not None:
            return clip_forms.read_clip(rows, options, account)
        return array_files.read_npz(members, options, account)
    _refuse_pictures(path, content)
    content = _as_utf8(content)
    if not content.strip():
        raise ValueError("an empty file")
    if options.format == "csv" or _is_table(path, content):
        return tables.read(_of_table(content, account), options, account)
    first = content[:65536].lstrip().partition(b"\n")[0]
    if yolo.is_label(first.decode("latin-1")):
        return _of_labels([yolo.read(_as_text(content))], options, account)
    if not content.lstrip(_SPACE).startswith((b"[", b"{", b"null")):
        raise ValueError(
            "neither JSON, nor .npy or .npz, nor a YOLO label, nor a table "
            "whose header has <joint>_x and <joint>_y"
        )
    if _are_json_lines(content):
        lines = content.splitlines()
        first = untrusted.parse(lines[0])
        if tables.are_records([first]):
            rows = [untrusted.parse(line) for line in lines if line.strip()]
            return tables.read_records(rows, options, account)
        return streams.read_clip(lines, options, account)
    value = untrusted.parse(content)
    del content  # It may be large, and so is what the reader makes of it.
    _refuse_lifted(value)
    return clip_forms.read_clip(value, options, account)


def _is_npz(content):
    """Whether a zip begins with an array, or cannot be told."""
    length = int.from_bytes(content[26:28], "little")
    name = content[30 : 30 + length]
    return not name or name.endswith(b".npy")


def _as_utf8(content):
    """Returns text without its mark; UTF-16, as of PowerShell's >, as UTF-8.

    Raises:
        ValueError: If it is UTF-16 in name only.
    """
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            return content.decode("utf-16").encode()
        except UnicodeError as error:
            raise ValueError("its text is not UTF-16") from error
    return content.removeprefix(b"\xef\xbb\xbf")


def _as_text(content):
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise ValueError("its text is not UTF-8") from error


def _of_table(content, account):
    """Returns a table's text; its numbers are ASCII in any case."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        account.note(
            "The table's text is not UTF-8, and is read as Latin-1, as "
            "spreadsheets write it."
        )
        return content.decode("latin-1")


def _kind_of(content, kinds):
    """Returns which kind of file begins like this, or None."""
    return next(
        (
            kind
            for kind, places in kinds.items()
            for place, mark in places
            if content[place:].startswith(mark)
        ),
        None,
    )


def _refuse_pictures(path, content):
    """Raises ValueError for a video or an image, and other kinds of files."""
    kind = _kind_of(content[:300], _PICTURES)
    if kind is None and path.suffix.lower() in _VIDEO_ENDINGS:
        kind = "a video"
    if kind is not None:
        raise ValueError(
            f"{kind}, no keypoints: lift.py takes it as --video, and Python "
            "as read_video; or give the keypoints that another detector "
            "finds in it"
        )
    kind = _kind_of(content[:300], _OTHERS)
    if kind is not None:
        raise ValueError(
            f"{kind}, which is not read: save the 2D keypoints as JSON, .csv, "
            ".npy or .npz; docs/keypoints.md says how for each tool"
        )


def _is_table(path, content):
    if path.suffix.lower() in (".csv", ".tsv"):
        return True
    header = content[:65536].partition(b"\n")[0].strip()
    return header[:1] not in (b"[", b"{", b"") and tables.is_header(
        header.decode("utf-8", "replace")
    )


def _are_json_lines(content):
    """Whether the first of several lines is JSON of its own."""
    content = content.lstrip()
    first = content.partition(b"\n")[0].partition(b"\r")[0]
    if not content[len(first) :].strip():
        return False
    try:
        untrusted.parse(first)
    except ValueError:
        return False
    return True


def _of_labels(groups, options, account):
    clip = sequences.numbered(yolo.settled(groups), options, account)
    return sequences.record(clip, options.skeleton, account, "yolo")


def read_folder(
    path: pathlib.Path, options: Options, account: Account
) -> Recording:
    """Reads a folder of a file for each frame, see `frames_in`.

    Raises:
        OSError: If a file cannot be read.
        ValueError: If one is wrong, or holds several frames.
    """
    files = frames_in(path)
    if not files:
        raise ValueError("no .json or .txt file of keypoints in this folder")
    groups, form, rest = [], None, untrusted.MAX_BYTES
    count = sum(labels.of_name(file.name) is not None for file in files)
    are_numbered = len(files) > 2 and count > len(files) / 2
    for file in files:
        try:
            packed = untrusted.read(file, rest)
        except ValueError as error:
            raise ValueError(
                f"its files are larger than {untrusted.MAX_BYTES} bytes"
            ) from error
        try:
            content = untrusted.unpacked(packed)
            rest -= len(content)
            content = _as_utf8(content)
            if file.suffix.lower() == ".txt":
                group = yolo.read(_as_text(content))
                found = "yolo"
            else:
                value = untrusted.parse(content)
                _refuse_lifted(value)
                if len(files) == 1:
                    return clip_forms.read_clip(value, options, account)
                group, found = clip_forms.read_one(value, options, account)
        except ValueError as error:
            is_frame = labels.of_name(file.name) is not None
            if are_numbered and not (is_frame and content.strip()):
                account.note(f"Not read: {file.name}: {error}.")
                if not is_frame:  # But something else among frames.
                    continue
                group, found = Group([]), None
            else:
                raise ValueError(f"{file.name}: {error}") from error
        form = form or found
        groups.append(
            group._replace(
                image=file.name, number=None, time=None, is_person=False
            )
        )
    if not groups:
        raise ValueError("no file of keypoints in this folder")
    last = [labels.of_name(group.image) for group in groups]
    if None not in last and 1 < len(set(last)) < len(last):
        # If all are the same, it is not the frames that they count.
        raise ValueError(
            "two files have the same number; expected one clip a folder"
        )
    if form == "yolo":
        groups = yolo.settled(groups)
    clip = sequences.numbered(groups, options, account)
    return sequences.record(clip, options.skeleton, account, form)


def _refuse_lifted(value):
    if results.is_motion(value):
        raise ValueError(
            "lifted motion, no keypoints; results.load reads it in Python, "
            "and lift.py writes it in other --formats"
        )

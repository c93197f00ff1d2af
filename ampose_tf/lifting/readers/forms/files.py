"""Opens files and folders, and chooses a reader by their contents."""

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

# Bytes that may precede JSON: whitespace and UTF-8's byte order mark.
_SPACE = b" \t\r\n\xef\xbb\xbf"

# File signatures with their offsets in bytes.
_OTHERS = {
    "a Python pickle (it may execute code)": ((0, b"\x80"),),
    "a MATLAB .mat file": ((0, b"MATLAB"),),
    "a Parquet file": ((0, b"PAR1"),),
    "a spreadsheet or a zip archive": ((0, b"PK"),),
    "motion capture (it is already 3D)": (
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
    "a Git LFS pointer (git lfs pull fetches the file)": (
        (0, b"version https://git-lfs"),
    ),
    "a printed Python list or dict (json.dump writes JSON)": (
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
    """Whether a file in a folder contains one frame, or cannot be read."""
    if path.suffix.lower() == ".txt":
        return True
    try:
        with reading.guarded():
            content = _as_utf8(untrusted.unpacked(untrusted.read(path)))
            return clip_forms.is_one_frame(untrusted.parse(content))
    except (ValueError, OSError):
        return True


def frames_in(folder: pathlib.Path) -> list[pathlib.Path]:
    """Returns the files with a folder's frames, sorted by their numbers.

    These are JSON files or YOLO labels, whichever are more numerous. Hidden
    files, such as macOS creates, are ignored.
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
    except OSError:  # Not a file, or no permission.
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
    """Reads a keypoint file of any tool.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If the format is unknown, or the contents are invalid.
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
        raise ValueError("the file is empty")
    if options.format == "csv" or _is_table(path, content):
        return tables.read(_of_table(content, account), options, account)
    first = content[:65536].lstrip().partition(b"\n")[0]
    if yolo.is_label(first.decode("latin-1")):
        return _of_labels([yolo.read(_as_text(content))], options, account)
    if not content.lstrip(_SPACE).startswith((b"[", b"{", b"null")):
        raise ValueError(
            "expected JSON, .npy, .npz, a YOLO label, or a table with "
            "<joint>_x and <joint>_y in its header"
        )
    if _are_json_lines(content):
        lines = content.splitlines()
        first = untrusted.parse(lines[0])
        if tables.are_records([first]):
            rows = [untrusted.parse(line) for line in lines if line.strip()]
            return tables.read_records(rows, options, account)
        return streams.read_clip(lines, options, account)
    value = untrusted.parse(content)
    del content  # It may be large, and the reader needs memory as well.
    _refuse_lifted(value)
    return clip_forms.read_clip(value, options, account)


def _is_npz(content):
    """Whether a zip file's first member is an array, or has no name."""
    length = int.from_bytes(content[26:28], "little")
    name = content[30 : 30 + length]
    return not name or name.endswith(b".npy")


def _as_utf8(content):
    """Removes the byte order mark; converts UTF-16 to UTF-8.

    PowerShell's > writes UTF-16.

    Raises:
        ValueError: If the mark is UTF-16's, but the text is not UTF-16.
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
            "The table's text is not UTF-8; it is read as Latin-1, which "
            "spreadsheets write."
        )
        return content.decode("latin-1")


def _kind_of(content, kinds):
    """Returns the kind of file with this signature, or None."""
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
    """Raises ValueError for videos, images and other unsupported files."""
    kind = _kind_of(content[:300], _PICTURES)
    if kind is None and path.suffix.lower() in _VIDEO_ENDINGS:
        kind = "a video"
    if kind is not None:
        raise ValueError(
            f"{kind}, not keypoints: use lift.py --video (in Python, "
            "read_video), or give the keypoints that another detector finds "
            "in it"
        )
    kind = _kind_of(content[:300], _OTHERS)
    if kind is not None:
        raise ValueError(
            f"{kind} is not supported: save the 2D keypoints as JSON, .csv, "
            ".npy or .npz; docs/keypoints.md shows how for each tool"
        )


def _is_table(path, content):
    if path.suffix.lower() in (".csv", ".tsv"):
        return True
    header = content[:65536].partition(b"\n")[0].strip()
    return header[:1] not in (b"[", b"{", b"") and tables.is_header(
        header.decode("utf-8", "replace")
    )


def _are_json_lines(content):
    """Whether there are several lines, the first of which is valid JSON."""
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
    """Reads a folder with one file per frame, see `frames_in`.

    Raises:
        OSError: If a file cannot be read.
        ValueError: If a file is invalid, or contains several frames.
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
                f"its files are larger than {untrusted.MAX_BYTES} bytes in "
                "total"
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
                if not is_frame:  # A file of another kind among frames.
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
        # If all have the same number, it does not count frames.
        raise ValueError(
            "two files have the same number; expected one clip per folder"
        )
    if form == "yolo":
        groups = yolo.settled(groups)
    clip = sequences.numbered(groups, options, account)
    return sequences.record(clip, options.skeleton, account, form)


def _refuse_lifted(value):
    if results.is_motion(value):
        raise ValueError(
            "lifted motion, not keypoints; use results.load in Python, or "
            "lift.py with --formats to convert it"
        )

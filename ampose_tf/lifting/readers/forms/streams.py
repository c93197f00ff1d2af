"""Readers for keypoints in JSON lines, from a live stream or a file.

A line is one frame, in any of the forms of `frame_forms`, or one person with
the number or image of the frame, which is complete when these change. null, []
and {} are frames without people; blank lines are skipped. The first line may
be an object that describes the clip: its frame rate and image size.
"""

import re
from collections.abc import Iterable, Iterator

import numpy as np

from ampose_tf import reading
from ampose_tf.conversion import Conversion
from ampose_tf.lifting import untrusted
from ampose_tf.lifting.keypoints import PERSON_SCORE, Frame
from ampose_tf.lifting.readers import (
    confidence,
    crowd,
    detections,
    labels,
    recognition,
    sequences,
)
from ampose_tf.lifting.readers.forms import (
    clip_forms,
    frame_forms,
    nesting,
    tools,
)
from ampose_tf.lifting.readers.records import (
    Account,
    Group,
    Recording,
    chosen,
    third_of,
)
from ampose_tf.lifting.readers.sequences import Options
from ampose_tf.lifting.readers.tracks import Tracker
from ampose_tf.lifting.untrusted import MAX_FRAME, MAX_PEOPLE, brief


def stream(
    lines: Iterable[str | bytes],
    image_size: tuple[int, int] | None = None,
    format: str | None = None,
    skeleton: Conversion | None = None,
    person_score: float = PERSON_SCORE,
) -> Iterator[Frame]:
    """Yields keypoints frame by frame, in constant memory.

    The skeleton of the first people is used for all later frames. People are
    tracked here until the file contains an id; from then on the file's ids are
    used, and people without one are left out.

    Args:
        lines: Lines as text, or as bytes in UTF-8.
        image_size: (width, height) in pixels, for normalised coordinates.
        format: One of `formats.FORMATS`; None to detect it.
        skeleton: Skeleton of the joints; None to detect it from their names
            or number.
        person_score: As in `formats.read`.

    Raises:
        ValueError: If a line is not a frame; the message contains the line's
            number.
    """
    account = Account()
    assembler = _Assembler(Options(format, skeleton), account)
    clip = _Stream(image_size, assembler.options, person_score, account)
    said = set()  # Without their numbers; bounded, as an account is.
    for line, group in assembler.groups(lines):
        if assembler.about:
            account.note(
                "The first line's description of the clip is not used; set "
                "--image_size and --fps for a stream."
            )
        try:
            with reading.guarded():
                frame = clip.frame(group)
        except ValueError as error:
            raise ValueError(f"line {line}: {error}") from error
        notes = {_uncounted(note): note for note in account.notes()}
        yield frame._replace(
            notes=tuple(notes[key] for key in notes if key not in said)
        )
        said.update(notes)


def _uncounted(note):
    return re.sub("[0-9]+", "", note)


def read_clip(
    lines: Iterable[str | bytes], options: Options, account: Account
) -> Recording:
    """Reads all lines of a file, like the same frames in a list.

    Args:
        lines: Lines as text, or as bytes in UTF-8.
        options: The user's options.
        account: Account of the file.

    Raises:
        ValueError: If a line or the clip as a whole is invalid.
    """
    groups, form = [], None
    assembler = _Assembler(options, account)
    for _, group in assembler.groups(lines):
        form = form or group.form
        groups.append(group)
        if len(groups) > untrusted.MAX_FRAMES:
            raise ValueError(f"more than {untrusted.MAX_FRAMES} frames")
    if not any(group.label is not None for group in groups):
        # Each line is a frame.
        groups = [group._replace(is_person=False) for group in groups]
    clip = sequences.numbered(groups, options, account)
    recording = sequences.record(clip, options.skeleton, account, form)
    recording = recording._replace(
        third=confidence.kind_of(recording.third, options.format)
    )
    return clip_forms.with_about(recording, assembler.about, account)


def checked_image_size(size) -> tuple[int, int]:
    """Checks and returns the image size of a stream.

    Raises:
        ValueError: If it is None, because a stream has no extents from which
            to guess it, or if it is invalid.
    """
    if size is None:
        raise ValueError(
            "a stream needs the image size; set --image_size=WIDTHxHEIGHT "
            "(in Python, image_size)"
        )
    return untrusted.image_size(size, "image_size")


class _Assembler:
    """Assembles frames from lines."""

    def __init__(self, options, account):
        self.options = options
        self._account = account
        self.about = {}  # The first line's description of the clip.
        self._form = None  # The form of the first frame with people.
        self._begun = None  # A frame to which later lines may add people.

    def groups(
        self, lines: Iterable[str | bytes]
    ) -> Iterator[tuple[int, Group]]:
        """Yields (line number, people) of each frame once it is complete."""
        number = 0
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                with reading.guarded():
                    value = untrusted.parse(line)
                    if number == 1 and nesting.is_about(value):
                        self.about = value
                        continue
                    complete = self._read(value)
            except ValueError as error:
                raise ValueError(f"line {number}: {error}") from error
            for group in complete:
                yield number, group
        if self._begun is not None:
            yield number, self._begun

    def _read(self, value):
        """Returns the frames that are complete after this line."""
        form = self._form
        if form is None or self.options.format is not None:
            form = self._form = tools.form_of(value)
            sequences.check_format(form, self.options.format)
        group = frame_forms.read(value, self._account)._replace(form=form)
        begun, self._begun = self._begun, None
        # Other tools write all people of a frame in one line; it is complete.
        may_follow = (
            group.is_person
            and group.label is not None
            and group.people
            and (form == "coco" or group.people[0].track_id is not None)
        )
        if not may_follow:
            return [group] if begun is None else [begun, group]
        if begun is None or begun.label != group.label:
            self._begun = group
            return [] if begun is None else [begun]
        together = [*begun.people, *group.people]
        if len(together) > MAX_PEOPLE:
            raise ValueError(
                f"more than {MAX_PEOPLE} people in frame {brief(group.label)}"
            )
        self._begun = group._replace(people=together)
        return []


class _Stream:
    """State of a stream."""

    def __init__(self, image_size, options, person_score, account):
        self._format = options.format
        self._person_score = person_score
        self._account = account
        self._names = {}  # Numbers of people's ids that are names.
        self._image_size = image_size
        self._skeleton = options.skeleton
        self._are_tracked = None
        self._tracker = Tracker()
        self._surest = 0.0  # The largest score of a person.
        self._has_scores = False  # Whether any joint's score was above 0.
        self._index = -1
        self._stride = None  # Least difference between frame numbers.

    def frame(self, group: Group) -> Frame:
        """Returns the next frame, in pixels and with ids."""
        index = self._index + 1
        number = group.number
        if number is None and group.image is not None:
            number = labels.of_name(group.image)
            number = None if number and number > MAX_FRAME else number
        if number is not None:
            index = number
        if not self._index < index <= MAX_FRAME:
            raise ValueError(
                f"frame {index} after frame {self._index}; expected numbers "
                f"in increasing order, and at most {MAX_FRAME}"
            )
        if self._index >= 0:
            away = index - self._index
            self._stride = min(self._stride or away, away)
        self._index = index
        people = [
            person._replace(
                track_id=self._names.setdefault(
                    person.track_id, len(self._names)
                )
            )
            if isinstance(person.track_id, str)
            else person
            for person in group.people
        ]
        batch, skeleton = detections.gather([(index, people)], self._skeleton)
        has_scores = bool((batch.scores > 0).any())
        if skeleton is None or (self._has_scores and not has_scores):
            return self._empty(index)
        self._has_scores |= has_scores
        if self._skeleton is None and group.people[0].names is None:
            skeleton = recognition.by_places(
                batch.points, skeleton, group.form, self._account
            )
        batch, present = detections.clean(
            batch,
            "either",
            confidence.kind_of(third_of(group.people), self._format),
            self._image_size,
            self._account,
        )
        if not present.any():
            return self._empty(index)
        self._skeleton = skeleton
        batch = chosen(batch, present)
        kept = crowd.surer(
            batch, self._person_score, self._account, self._surest
        )
        self._surest = np.fmax(
            self._surest, np.fmax.reduce(batch.person_scores)
        )
        if not kept.any():
            return self._empty(index)
        batch = crowd.merged(chosen(batch, kept), self._account)
        batch = self._identified(batch)
        return Frame(
            skeleton.name,
            index,
            batch.track_ids,
            batch.points.astype(np.float32),
            batch.scores.astype(np.float32),
        )

    def _identified(self, batch):
        if self._are_tracked is None:
            self._are_tracked = _are_tracked(batch.track_ids)
        if self._are_tracked:
            batch = chosen(batch, batch.track_ids >= 0)
            detections.split(batch)  # Only for its checks.
            return batch
        ids = self._tracker.step(
            int(batch.frames[0]),
            batch.points,
            batch.scores,
            self._stride or 1,
        )
        return batch._replace(track_ids=ids)

    def _empty(self, index):
        joints = len(self._skeleton.joints) if self._skeleton else 0
        return Frame(
            self._skeleton.name if self._skeleton else None,
            index,
            np.empty(0, np.int64),
            np.empty((0, joints, 2), np.float32),
            np.empty((0, joints), np.float32),
        )


def _are_tracked(ids):
    """Whether a frame's ids are from a tracker; None if it is undecided."""
    known = ids[ids >= 0].tolist()
    if not known:
        return None
    if known == [0]:  # AlphaPose's idx without tracking, or a real id.
        return None
    return len(set(known)) == len(known)

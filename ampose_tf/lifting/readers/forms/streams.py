"""Keypoints in JSON lines, one frame a line: as they come, or of a file.

A line is the JSON of one frame in any of the forms of `frame_forms`, or of one
person with the number or image of the frame, which ends where these change.
null, [] and {} are a frame without people; blank lines are nothing. The first
line may be an object about the clip: its frame rate and image size.
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
    """Yields frame by frame, in constant memory.

    The first people's skeleton holds for all that follow. People are followed
    here until the tool gives one of them an id; from then on its ids hold, and
    people without one are left out.

    Args:
        lines: Text, or bytes in UTF-8.
        image_size: (width, height) in pixels, for normalised coordinates.
        format: One of `formats.FORMATS`; None to recognise it.
        skeleton: Of the joints; None to tell it by their names or number.
        person_score: As in `formats.read`.

    Raises:
        ValueError: If a line is not that; it names the line.
    """
    account = Account()
    assembler = _Assembler(Options(format, skeleton), account)
    clip = _Stream(image_size, assembler.options, person_score, account)
    said = set()  # But for counts; an account is bounded, and so is this.
    for line, group in assembler.groups(lines):
        if assembler.about:
            account.note(
                "What the first line says of the clip is not used: of a "
                "stream --image_size and --fps say it."
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
    """Reads all lines of a file, as the same frames in a list would be.

    Args:
        lines: Text, or bytes in UTF-8.
        options: Of the user.
        account: Account of the file.

    Raises:
        ValueError: If a line is wrong, or all together are.
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
    """Returns the image size that a stream is given.

    Raises:
        ValueError: If it is None, since a stream has no extents to guess it
            by, or wrong.
    """
    if size is None:
        raise ValueError(
            "a stream needs its image's size; give "
            "--image_size=WIDTHxHEIGHT, in Python image_size"
        )
    return untrusted.image_size(size, "image_size")


class _Assembler:
    """Makes frames of lines."""

    def __init__(self, options, account):
        self.options = options
        self._account = account
        self.about = {}  # What the first line says of the clip.
        self._form = None  # Of the first frame with people.
        self._begun = None  # A frame of which more lines may follow.

    def groups(
        self, lines: Iterable[str | bytes]
    ) -> Iterator[tuple[int, Group]]:
        """Yields the line and the people of each frame, once complete."""
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
        """Returns the frames that a line completes."""
        form = self._form
        if form is None or self.options.format is not None:
            form = self._form = tools.form_of(value)
            sequences.check_format(form, self.options.format)
        group = frame_forms.read(value, self._account)._replace(form=form)
        begun, self._begun = self._begun, None
        # Others write all people of a frame in one line, which is answered.
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
                f"more than {MAX_PEOPLE} people in the frame "
                f"{brief(group.label)}"
            )
        self._begun = group._replace(people=together)
        return []


class _Stream:
    """What is known of a stream so far."""

    def __init__(self, image_size, options, person_score, account):
        self._format = options.format
        self._person_score = person_score
        self._account = account
        self._names = {}  # Of people, as numbers.
        self._image_size = image_size
        self._skeleton = options.skeleton
        self._are_tracked = None
        self._tracker = Tracker()
        self._surest = 0.0  # The largest score of a person.
        self._has_scores = False  # Of joints, above 0.
        self._index = -1
        self._stride = None  # Least difference of two frames' numbers.

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
                f"frame {index} after frame {self._index}; expected them in "
                f"order, and at most {MAX_FRAME}"
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
            detections.split(batch)  # For what it refuses.
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
    """Whether a frame shows that the tool follows people; None: not yet."""
    known = ids[ids >= 0].tolist()
    if not known:
        return None
    if known == [0]:  # AlphaPose's idx, or an id.
        return None
    return len(set(known)) == len(known)

"""Records a training run on disk, epoch by epoch."""

import csv
import hashlib
import io
import json
import math
import os
import pathlib
import time
from collections.abc import Mapping

import keras
import numpy as np

from ampose_tf import files, interrupts, reading
from ampose_tf.models import checkpoint
from ampose_tf.models.checkpoint import Unfinished

CHECKPOINT = "checkpoint.npz"
BEST = "best.keras"
LAST = "last.keras"
HISTORY = "history.csv"
# SHA-256 of the files that were written after an epoch.
DIGESTS = "files.json"
_MOST_BYTES = 4096


class Recorder(keras.callbacks.Callback):
    """Saves the run to disk and stops it if the loss is not finite.

    A signal (see `interrupts`) ends the run after the current step, with a
    checkpoint of the unfinished epoch.

    Args:
        workdir: The run's folder.
        model: The compiled model that is trained; has a method `rebuilt`.
        teacher: File of the teacher; empty if there is none.
        data: See `checkpoint.Progress`.
        sources: See `checkpoint.Progress`.

    Attributes:
        history: One row for each finished epoch.
        unfinished: The epoch to continue, or None.
    """

    def __init__(
        self,
        workdir: pathlib.Path,
        model: keras.Model,
        teacher: str | os.PathLike = "",
        data: Mapping[str, str] | None = None,
        sources: Mapping[str, tuple[int, str]] | None = None,
    ):
        super().__init__()
        self.workdir = workdir
        self.history = []
        self.unfinished = None
        self._model = model
        self._teacher = teacher
        self._teacher_sha256 = files.sha256(teacher) if teacher else ""
        self._data = dict(data or {})
        self._sources = dict(sources or {})
        self._best_epoch = 0
        self._best_sha256 = ""
        # Published models compute in float32, whatever the training
        # precision, and carry no optimiser.
        self._portable = model.rebuilt()

    @property
    def best(self) -> dict[str, float]:
        """The row of the history with the lowest validation MPJPE."""
        return self.history[self._best_epoch]

    def resume(self) -> int:
        """Resumes an earlier run; returns the number of finished epochs.

        Raises:
            OSError: If a file of the run cannot be read.
            ValueError: If a file is damaged, was not written by the run, or
                belongs to another model, or if the run had another teacher
                or other data.
        """
        path = self.workdir / CHECKPOINT
        if not os.path.lexists(path):
            return 0
        progress = checkpoint.restore(path, self._model)
        if progress.teacher_sha256 != self._teacher_sha256:
            raise ValueError(
                f"{self._teacher} is not the teacher that the run in "
                f"{self.workdir} has used so far; restore that file or choose "
                "another --workdir"
            )
        self._check_data(progress)
        self.history = progress.history
        self.unfinished = progress.unfinished
        self._best_epoch = progress.best_epoch
        if self.history:
            self._take_up()
        return len(self.history)

    def _check_data(self, progress):
        known, given = progress.sources, self._sources
        if known and known == given:
            # Derived data differ in the last bits between processors.
            return
        changed = [
            name
            for name, digest in progress.data.items()
            if self._data and self._data[name] != digest
        ]
        if changed:
            named = [name for name in known if known[name] != given.get(name)]
            raise ValueError(
                f"{self.workdir}: the {' and '.join(changed)} data differ "
                "from those of the run so far"
                + (f": {', '.join(named)} changed" if named else "")
                + "; restore them or choose another --workdir"
            )

    def _take_up(self):
        """Checks the run's files; writes those that a kill prevented."""
        known = self._digests()
        names = (LAST, BEST, HISTORY)
        is_whole = known.get("epochs") == len(self.history)
        if not is_whole:
            # Files that are about to be rewritten may be of an older epoch.
            names = () if self._is_best() or not known else (BEST,)
        for name in names:
            path = self.workdir / name
            is_there = path.is_file()
            again = name != BEST or self._is_best()
            if is_there and files.sha256(path) != known["sha256"][name]:
                advice = "restore that file or choose another --workdir"
                if again:
                    advice = (
                        f"remove it to have it rewritten from {CHECKPOINT}"
                    )
                raise ValueError(
                    f"{path} is not the file that the run wrote; {advice}"
                )
            is_whole &= is_there
        best = self.workdir / BEST
        if not self._is_best():
            if not best.is_file():
                raise FileNotFoundError(
                    f"no file {best}, which the run in {self.workdir} wrote; "
                    "restore it or choose another --workdir"
                )
            self._best_sha256 = files.sha256(best)
        if not is_whole:
            self._publish()

    def _is_best(self):
        return self._best_epoch == len(self.history) - 1

    def _digests(self):
        """Returns the content of `DIGESTS`, {} if it does not exist."""
        path = self.workdir / DIGESTS
        if not os.path.lexists(path):
            return {}
        try:
            with reading.guarded():
                known = json.loads(reading.content(path, _MOST_BYTES))
                digests = [known["sha256"][n] for n in (BEST, LAST, HISTORY)]
                if not isinstance(known["epochs"], int) or not all(
                    isinstance(digest, str) for digest in digests
                ):
                    raise ValueError("expected texts and a number of epochs")
        except ValueError as error:
            raise ValueError(
                f"{path}: damaged, expected the SHA-256 of the run's files; "
                "remove it if you trust them"
            ) from error
        return known

    def on_epoch_begin(self, epoch, logs=None):
        self._start = time.monotonic()
        self._rate = float(self._model.optimizer.learning_rate)
        self._before = self._steps = 0
        unfinished, self.unfinished = self.unfinished, None
        if unfinished is not None:
            self._start -= unfinished.seconds
            self._rate = unfinished.learning_rate
            self._before = self._steps = unfinished.steps
            variables = self._model.metrics_variables
            if len(variables) != len(unfinished.metrics):
                raise ValueError(
                    f"{self.workdir / CHECKPOINT}: damaged checkpoint "
                    f"(progress: unfinished: metrics: expected "
                    f"{len(variables)} numbers)"
                )
            for variable, value in zip(
                variables, unfinished.metrics, strict=True
            ):
                variable.assign(value)

    def on_train_batch_end(self, batch, logs=None):
        # An epoch's running mean stays NaN once the loss of a step was NaN.
        self._steps = self._before + batch + 1
        if not math.isfinite(logs["loss"]):
            self._stop(f"The loss is {logs['loss']} at step {self._steps}")
        # After the last step, validation ends the epoch.
        if interrupts.received() and self._steps < self._all_steps():
            self._interrupt(logs)

    def _all_steps(self):
        return self._before + self.params["steps"]

    def _interrupt(self, logs):
        """Ends the run so that it can continue with the next step."""
        if hasattr(self._model, "jax_state_sync"):
            # JAX keeps the state outside the variables during an epoch.
            self._model.jax_state_sync()
        self._check_finite(logs)
        self._save(
            Unfinished(
                self._steps,
                self._rate,
                round(time.monotonic() - self._start, 1),
                [float(np.asarray(v)) for v in self._model.metrics_variables],
            )
        )
        interrupts.check(
            f"after step {self._steps} of epoch {len(self.history) + 1}, "
            f"saved in {self.workdir / CHECKPOINT}; run it again to continue"
        )

    def _stop(self, what):
        finished = len(self.history)
        kept = "no epoch was finished"
        if finished:
            kept = f"{self.workdir / CHECKPOINT} holds epoch {finished}"
        raise FloatingPointError(f"{what} of epoch {finished + 1}; {kept}")

    def _check_finite(self, logs):
        """Also checks the last update, which no loss of the epoch shows."""
        state = self._model.variables + self._model.optimizer.variables
        if not (
            all(map(math.isfinite, logs.values()))
            and all(np.isfinite(variable).all() for variable in state)
        ):
            self._stop(f"The weights are not finite after step {self._steps}")

    def on_epoch_end(self, epoch, logs=None):
        seconds = time.monotonic() - self._start
        logs = {name: float(value) for name, value in logs.items()}
        self._check_finite(logs)
        self.history.append(
            {"epoch": epoch + 1, **logs, "learning_rate": self._rate}
            | {"seconds": round(seconds, 1)}
        )
        if logs["val_mpjpe_mm"] < self.best["val_mpjpe_mm"]:
            self._best_epoch = epoch
        self._save()
        self._publish()
        interrupts.check(
            f"after epoch {epoch + 1}, saved in {self.workdir / CHECKPOINT}; "
            "run it again to continue"
        )

    def _save(self, unfinished=None):
        checkpoint.save(
            self.workdir / CHECKPOINT,
            self._model,
            checkpoint.Progress(
                self.history,
                self._best_epoch,
                self._teacher_sha256,
                self._data,
                self._sources,
                unfinished,
            ),
        )

    def _publish(self):
        """Writes the files derived from the checkpoint, the digests last.

        If the process is killed in between, the digests are those of an
        earlier epoch, and a resumed run writes the files again.
        """
        self._portable.set_weights(self._model.get_weights())
        digests = {BEST: self._best_sha256}
        for name in (LAST, BEST) if self._is_best() else (LAST,):
            with files.replacing(self.workdir / name) as temporary:
                self._portable.save(temporary)
                digests[name] = files.sha256(temporary)
        self._best_sha256 = digests[BEST]
        table = _as_csv(self.history)
        files.write_text(self.workdir / HISTORY, table)
        digests[HISTORY] = hashlib.sha256(table.encode()).hexdigest()
        written = {"epochs": len(self.history), "sha256": digests}
        files.write_text(
            self.workdir / DIGESTS, json.dumps(written, indent=2) + "\n"
        )


def _as_csv(rows):
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()

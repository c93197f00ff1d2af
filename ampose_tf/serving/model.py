"""`PoseModel`: a network with the interface of KServe's models."""

import asyncio
import os
import threading
from concurrent import futures

import kserve
import numpy as np
from kserve.errors import InvalidInput
from kserve.protocol.infer_type import InferRequest

from ampose_tf.lifting import singles
from ampose_tf.lifting.keypoints import is_seen
from ampose_tf.lifting.predictor import cores, load_predictor
from ampose_tf.lifting.schema import MAX_METRES
from ampose_tf.serving import limits, logs, messages
from ampose_tf.skeleton import H36M_17

# Poses that a thread lifts at a time, without their mirror images: few enough
# for all threads to share a request.
_POSES_OF_A_THREAD = 32
# Number of poses with which a predictor builds its graph for large batches.
_WARM = 2048


class PoseModel(kserve.Model):
    """Lifts poses in threads, each with its own interpreter.

    Poses are lifted independently, like frames of `Lifter.stream`.

    Args:
        path: See `load_predictor`.
        name: Name of the model in addresses.
        bounds: Limits of the server.
        threads: Number of threads; None for one per core.
        seen_score: Minimum score of joints that count as seen.
        flip_ensemble: See `Lifter`.
        trust_model: See `load_predictor`.

    Raises:
        OSError: If the model cannot be read.
        ValueError: If the file is not a model or an argument is out of range.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        name: str,
        bounds: limits.Limits,
        *,
        threads: int | None,
        seen_score: float,
        flip_ensemble: bool,
        trust_model: bool,
    ):
        limits.check_name(name)
        super().__init__(name)
        threads = cores() if threads is None else threads
        if threads > cores():
            raise ValueError(
                f"--threads={threads}: expected at most {cores()}, the cores "
                "of this machine"
            )
        self._bounds = bounds
        self._seen_score = seen_score
        self._flip_ensemble = flip_ensemble
        self._predict = load_predictor(path, 64, 1, trust_model)
        self._joints = [
            H36M_17.joints.index(joint)
            for joint in self._predict.skeleton.joints
        ]
        self._pool = futures.ThreadPoolExecutor(threads)
        self._waiting = 0
        self._warm_up(threads)
        self.ready = True

    def close(self) -> None:
        """Ends the threads."""
        self._pool.shutdown(cancel_futures=True)

    def get_input_types(self) -> list[dict]:
        return messages.inputs()

    def get_output_types(self) -> list[dict]:
        return messages.outputs(len(self._joints))

    def preprocess(self, payload, headers=None):
        is_v2 = isinstance(payload, InferRequest)
        read = messages.read_v2 if is_v2 else messages.read_v1
        asked = read(payload, self._bounds.max_poses, self._seen_score)
        # KServe keeps the request until it is answered: its decoded numbers
        # would need much more memory than its body.
        (payload.inputs if is_v2 else payload).clear()
        seen = is_seen(asked.scores, self._seen_score)
        logs.request.get({})["poses"] = len(seen)
        logs.request.get({})["skeletons"] = asked.skeletons
        nothing = ~seen[:, self._joints].any(axis=1)
        if nothing.any():
            raise InvalidInput(
                f"scores of pose {np.argmax(nothing)}: none of the model's "
                f"joints has a score of at least {self._seen_score:g}; leave "
                "the pose out."
            )
        return payload, asked, seen

    async def predict(self, payload, headers=None, response_headers=None):
        request, asked, seen = payload
        count = len(seen)
        if self._waiting + count > self._bounds.max_waiting_poses:
            raise limits.busy()
        self._waiting += count
        logs.WAITING.set(self._waiting)
        loop = asyncio.get_running_loop()
        work = [
            loop.run_in_executor(self._pool, self._lift, asked, part)
            for part in _parts(count)
        ]
        try:
            poses_3d = np.concatenate(await asyncio.gather(*work))
        finally:
            for part in work:
                part.cancel()
            self._waiting -= count
            logs.WAITING.set(self._waiting)
        logs.POSES.inc(count)
        return request, poses_3d, seen[:, self._joints]

    def postprocess(self, result, headers=None, response_headers=None):
        request, poses_3d, seen = result
        joints = self._predict.skeleton.joints
        notes = []
        if not seen.all():
            notes.append(
                f"{(~seen).sum()} of {seen.size} joints were not seen, with "
                f"scores below {self._seen_score:g}."
            )
        if isinstance(request, InferRequest):
            return messages.write_v2(request, poses_3d, joints, notes)
        return messages.write_v1(poses_3d, joints, notes)

    def _lift(self, asked, part):
        """Returns the poses of a part of a request, (n, J, 3) metres."""
        poses_3d = singles.lift_joints(
            self._predict,
            asked.pixels[part],
            asked.scores[part],
            asked.image_size[part],
            self._seen_score,
            flip_ensemble=self._flip_ensemble,
            field_of_view_deg=None,
        ).poses_3d
        # Also False for NaN.
        if not (np.abs(poses_3d) <= MAX_METRES).all():
            raise InvalidInput(
                "The model's poses are not finite or implausibly large."
            )
        return poses_3d

    def _warm_up(self, threads):
        """Builds graphs and interpreters before the first request."""
        joints = len(self._joints)
        self._predict(np.zeros((_WARM, joints, 2), np.float32))
        together = threading.Barrier(threads)

        def begin(_):
            # At the same time, so that each thread uses another interpreter.
            together.wait()
            self._predict(np.zeros((63, joints, 2), np.float32))

        list(self._pool.map(begin, range(threads)))


def _parts(count):
    for start in range(0, count, _POSES_OF_A_THREAD):
        yield slice(start, start + _POSES_OF_A_THREAD)

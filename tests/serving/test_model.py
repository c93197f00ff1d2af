"""The served model, with any predictor and in threads."""

import asyncio
import json
import threading
import time

import numpy as np
import pytest
from kserve.errors import InvalidInput

from ampose_tf import weights
from ampose_tf.lifting import lifter
from ampose_tf.lifting.keypoints import Keypoints, Track
from ampose_tf.serving import model
from ampose_tf.serving.limits import Limits, Refused
from ampose_tf.skeleton import H36M_16
from benchmarks.pose_requests import instances
from tests.serving.conftest import people, serving


class Predictor:
    """A model of 16 joints without an input for seen joints."""

    skeleton = H36M_16
    normalisation = "width"
    seen_input = False

    def __init__(self):
        self.threads = set()

    def __call__(self, keypoints_2d, seen=None, progress=None):
        self.threads.add(threading.get_ident())
        time.sleep(0.01)
        depth = keypoints_2d[..., :1] ** 2 - keypoints_2d[..., 1:]
        return np.concatenate([keypoints_2d, depth], axis=-1)


@pytest.fixture
def predictor(monkeypatch):
    made = Predictor()
    for module in (model, lifter):
        monkeypatch.setattr(module, "load_predictor", lambda *_: made)
    return made


@pytest.fixture
def served(predictor):
    bounds = Limits(max_poses=200, max_waiting_poses=210)
    made = model.PoseModel(
        "",
        "fake",
        bounds,
        threads=2,
        seen_score=0.3,
        flip_ensemble=True,
        trust_model=False,
    )
    yield made
    made.close()


def body(pixels, scores, size=(600, 900)):
    return {"instances": instances(pixels, scores, size=size)}


def ask(served, content):
    answer, _ = asyncio.run(served(content))
    return np.array([pose["poses_3d"] for pose in answer["predictions"]])


def test_unseen_joints_are_completed_as_by_the_lifter(served):
    pixels, scores = people(7, 17)
    scores[1, 9:11] = scores[2, 11:] = scores[6, :12] = 0.1
    tracks = tuple(
        Track(i, np.zeros(1, int), p[None], s[None])
        for i, (p, s) in enumerate(zip(pixels, scores, strict=True))
    )
    motion = lifter.Lifter("fake")(
        Keypoints("COCO-17", (600, 900), 25.0, 1, tracks)
    )
    expected = np.concatenate([track.poses_3d for track in motion.tracks])
    poses_3d = ask(served, body(pixels, scores))
    assert poses_3d.shape == (7, 16, 3)
    np.testing.assert_allclose(poses_3d, expected, atol=1e-6)


def test_all_threads_share_a_request(served, predictor):
    predictor.threads.clear()
    ask(served, body(*people(199, 17)))
    assert len(predictor.threads) == 2


def test_a_pose_without_seen_joints_is_named(served):
    pixels, scores = people(3, 17)
    scores[1] = 0.2
    with pytest.raises(InvalidInput, match="scores of pose 1: none of"):
        ask(served, body(pixels, scores))


def test_poses_that_are_not_finite_are_refused(served, predictor, monkeypatch):
    monkeypatch.setattr(
        Predictor,
        "__call__",
        lambda self, k, seen: np.full((1, 16, 3), np.nan),
    )
    with pytest.raises(InvalidInput, match="poses are not finite"):
        ask(served, body(*people(1, 17)))


def test_further_requests_are_refused_while_poses_wait(served):
    async def both():
        asked = (served(body(*people(count, 17))) for count in (200, 11))
        return await asyncio.gather(*asked, return_exceptions=True)

    (answer, _), refused = asyncio.run(both())
    assert len(answer["predictions"]) == 200
    assert isinstance(refused, Refused)
    assert refused.status == 429
    # Nothing waits any more.
    assert len(ask(served, body(*people(11, 17)))) == 11


def test_decoded_requests_are_not_kept(served):
    content = body(*people(3, 17))
    served.preprocess(content)
    assert content == {}


def test_a_request_that_is_given_up_leaves_no_work(served):
    async def give_up():
        async with asyncio.timeout(0.01):
            await served(body(*people(200, 17)))

    with pytest.raises(TimeoutError):
        asyncio.run(give_up())
    assert len(ask(served, body(*people(200, 17)))) == 200


@pytest.mark.slow
def test_a_keras_file_is_served(tmp_path):
    asked = body(*people(3, 17))
    found = []
    for path in (weights.AMPOSE_T, weights.LIFTING["ampose_t"]):
        folder = tmp_path / path.suffix
        folder.mkdir()
        with serving(
            folder,
            f"--model={path}",
            "--name=a",
            "--drain_seconds=0",
            frameworks=True,
        ) as server:
            status, _, content = server.ask(
                "/v1/models/a:predict", json.dumps(asked)
            )
            assert status == 200, content
            predictions = json.loads(content)["predictions"]
            found.append([pose["poses_3d"] for pose in predictions])
    np.testing.assert_allclose(*found, atol=1e-4)

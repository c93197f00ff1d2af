"""The page finds the joints that the package finds."""

import numpy as np
from PIL import Image

import ampose_tf
from ampose_tf.conversion import MEDIAPIPE_33
from ampose_tf.lifting.blazepose import detection, landmarks, regions
from tests.web import film
from tests.web.conftest import ALLOWED, CAMERA, DIST, wait_for_poses


def network(name):
    """Returns one of the page's networks, run by LiteRT in Python."""
    from ai_edge_litert.interpreter import Interpreter

    (path,) = DIST.glob(f"assets/*/{name}.tflite")
    interpreter = Interpreter(str(path), num_threads=1)
    interpreter.allocate_tensors()
    (given,) = interpreter.get_input_details()

    def run(pixels):
        interpreter.set_tensor(given["index"], pixels)
        interpreter.invoke()
        return tuple(
            interpreter.get_tensor(made["index"])
            for made in interpreter.get_output_details()
        )

    return run


def test_the_page_finds_what_the_package_finds(visit, tmp_path):
    """A person who stands still, in pixels of an image of 640 by 480."""
    path = tmp_path / "still.mjpeg"
    # The camera and the package decode the same JPEG file.
    film.picture(0.35).save(path, "JPEG", quality=95)
    with Image.open(path) as picture:
        image = np.asarray(picture)
    path.write_bytes(4 * path.read_bytes())
    page = visit(
        *ALLOWED, *CAMERA, f"--use-file-for-fake-video-capture={path}"
    )
    page.click("#camera")
    page.wait_for_selector("#image[data-found=true]")
    page.click("#record")
    wait_for_poses(page, 40)
    page.click("#record")
    with page.expect_download() as download:
        page.click("#download")
    download.value.save_as(tmp_path / "still.json")
    (track,) = ampose_tf.load_motion(tmp_path / "still.json").tracks

    (found,) = detection.Detector(network("pose_detection"))(image)
    mark = landmarks.Landmarker(network("pose_landmark_full"))
    region = found.region
    pixels, scores = [], []
    for _ in track.frames:
        pose = mark(image, region)
        region = regions.around(*pose.alignment)
        pixels.append(MEDIAPIPE_33.convert(pose.pixels, pose.scores))
        scores.append(MEDIAPIPE_33.convert_scores(pose.scores))
    # Each image's region follows from the landmarks before, so that they
    # wander by some pixels. Measured: 0.5, 3 and 0.015.
    apart = np.linalg.norm(
        track.keypoints_px - np.median(pixels, axis=0), axis=-1
    )
    assert np.median(apart) < 1
    assert np.percentile(apart, 95) < 6
    np.testing.assert_allclose(
        np.median(track.scores, axis=0), np.median(scores, axis=0), atol=0.05
    )

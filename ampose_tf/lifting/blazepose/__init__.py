"""BlazePose: 33 landmarks of each person in images; used by `video`.

MediaPipe Pose's detector and landmark networks [Bazarevsky et al., 2020,
https://arxiv.org/abs/2006.10204], run by LiteRT. The processing around the
networks follows MediaPipe's published graphs and calculators (Apache-2.0),
which the modules cite. The networks' files are not part of this package:
`python -m ampose_tf.lifting.blazepose.models` downloads them.
"""

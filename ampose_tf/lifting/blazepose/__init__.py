"""BlazePose: people's 33 landmarks in images; opened by `video`.

MediaPipe Pose's detector and landmark networks [Bazarevsky et al., 2020,
https://arxiv.org/abs/2006.10204], run by LiteRT. What happens before, between
and after them is written from MediaPipe's published graphs and calculators
(Apache-2.0), which the modules name. The networks' files are not part of this
package: `python -m ampose_tf.lifting.blazepose.models` fetches them.
"""

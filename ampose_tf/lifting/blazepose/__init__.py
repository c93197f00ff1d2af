"""BlazePose: people in pictures. The door is `video`."""

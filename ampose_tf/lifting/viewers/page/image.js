"use strict";

/** The 2D panel: the image's frame, a picture of the video, and keypoints. */
class ImagePanel {
  constructor(section, motion) {
    this.section = section;
    this.canvas = section.querySelector("canvas");
    this.context = this.canvas.getContext("2d");
    this.motion = motion;
    this.index = 0;
    // Pictures of the video in the order of their frames; often none.
    this.pictures = motion.pictures.map(({ frame, data }) => {
      const image = new Image();
      image.onload = () => this.draw();
      image.src = `data:image/jpeg;base64,${data}`;
      return { frame, image };
    });
  }

  /** The picture of a frame or, if it was left out, the one before. */
  picture() {
    const frame = this.motion.frame(this.index);
    const before = this.pictures.filter((picture) => picture.frame <= frame);
    return before.length ? before[before.length - 1].image : null;
  }

  show(index, marked) {
    this.index = index;
    this.marked = marked;
    this.draw();
  }

  draw() {
    const { context, motion } = this;
    const style = getComputedStyle(document.documentElement);
    const ratio = window.devicePixelRatio || 1;
    const { clientWidth: width, clientHeight: height } = this.section;
    if (this.canvas.width !== Math.round(width * ratio) || this.canvas.height !== Math.round(height * ratio)) {
      this.canvas.width = Math.round(width * ratio);
      this.canvas.height = Math.round(height * ratio);
    }
    // Maps image pixels to the panel: centred, below the label.
    const [wide, high] = motion.image_size;
    const top = 28;
    const scale = Math.min((width - 20) / wide, (height - top - 12) / high);
    this.place = ([x, y]) => [
      (width - wide * scale) / 2 + x * scale,
      top + (height - top - 12 - high * scale) / 2 + y * scale,
    ];
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    const [x0, y0] = this.place([0, 0]);
    context.fillStyle = style.getPropertyValue("--paper");
    context.strokeStyle = style.getPropertyValue("--line");
    context.lineWidth = 1;
    context.fillRect(x0, y0, wide * scale, high * scale);
    const picture = this.picture();
    if (picture && picture.complete) context.drawImage(picture, x0, y0, wide * scale, high * scale);
    context.strokeRect(x0, y0, wide * scale, high * scale);
    context.lineCap = "round";
    this.bone = Math.max(1.5, Math.min(4, 0.008 * Math.min(wide, high) * scale));
    for (const [person, row] of motion.present(this.index)) this.drawPerson(person, row, style);
  }

  drawPerson(person, row, style) {
    const { context, motion, bone } = this;
    const points = motion.joints.map((_, j) => this.place(motion.pixel(person, row, j)));
    const known = points.map(([x]) => Number.isFinite(x));
    for (const [e, [parent, child]] of motion.edges.entries()) {
      if (!known[parent] || !known[child]) continue;
      const sure = motion.seen(person, row, parent) && motion.seen(person, row, child);
      context.globalAlpha = sure ? 1 : 0.45;
      context.strokeStyle = person.bone_colours[e];
      context.lineWidth = bone;
      context.beginPath();
      context.moveTo(...points[parent]);
      context.lineTo(...points[child]);
      context.stroke();
    }
    context.globalAlpha = 1;
    for (const [j, point] of points.entries()) {
      if (!known[j]) continue;
      context.beginPath();
      context.arc(...point, 1.1 * bone, 0, 2 * Math.PI);
      context.fillStyle = motion.seen(person, row, j)
        ? motion.joint_colours[j]
        : style.getPropertyValue("--panel");
      context.fill();
      context.strokeStyle = motion.joint_colours[j];
      context.lineWidth = 1.5;
      context.stroke();
      if (this.marked && this.marked.person === person && this.marked.joint === j) {
        context.strokeStyle = style.getPropertyValue("--ink");
        context.lineWidth = 2;
        context.beginPath();
        context.arc(...point, 2.4 * bone, 0, 2 * Math.PI);
        context.stroke();
      }
    }
  }

  /** A joint's [x, y] in the panel. */
  onScreen(person, row, j) {
    return this.place(this.motion.pixel(person, row, j));
  }
}

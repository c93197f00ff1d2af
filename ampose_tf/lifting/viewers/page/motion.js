"use strict";

/** The motion in the page's JSON, as packed by web.py. */
class Motion {
  constructor(content) {
    Object.assign(this, content);
    this.people = content.people.map((person) => ({
      ...person,
      shown: true,
      frames: Motion.unpacked(person.frames),
      hips: Motion.unpacked(person.hips),
      offsets: Motion.unpacked(person.offsets),
      pixels: Motion.unpacked(person.pixels),
      scores: Motion.unpacked(person.scores),
      seen: Motion.unpacked(person.seen),
    }));
  }

  static unpacked({ type, step, data }) {
    const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
    const arrays = {
      float32: Float32Array, int16: Int16Array, int32: Int32Array, uint8: Uint8Array,
    };
    const array = new arrays[type](bytes.buffer);
    // The smallest int16 stands for NaN.
    return type === "int16"
      ? Float32Array.from(array, (v) => (v === -32768 ? NaN : v * step))
      : array;
  }

  /** The frame number in the video of the index-th frame. */
  frame(index) {
    return this.first + index * this.step;
  }

  /** [person, row in its arrays] for the visible people in a frame. */
  present(index) {
    const frame = this.frame(index);
    const found = [];
    for (const person of this.people) {
      const row = person.shown ? Motion.find(person.frames, frame) : -1;
      if (row >= 0) found.push([person, row]);
    }
    return found;
  }

  static find(sorted, value) {
    let low = 0;
    let high = sorted.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sorted[middle] < value) low = middle + 1;
      else high = middle;
    }
    return sorted[low] === value ? low : -1;
  }

  /** A joint's [x, y, z], metres, in the world. */
  joint(person, row, j) {
    const at = (row * this.joints.length + j) * 3;
    return [0, 1, 2].map((k) => person.hips[row * 3 + k] + person.offsets[at + k]);
  }

  /** A joint's [x, y], pixels; NaN if it has no position. */
  pixel(person, row, j) {
    const at = (row * this.joints.length + j) * 2;
    return [person.pixels[at], person.pixels[at + 1]];
  }

  seen(person, row, j) {
    return person.seen[row * this.joints.length + j] === 1;
  }

  /** The description of a joint: its name, score and position. */
  describe(person, row, j) {
    const score = person.scores[row * this.joints.length + j];
    const at = (row * this.joints.length + j) * 3;
    const signed = (v) => (v < 0 ? "−" : "+") + Math.abs(v).toFixed(2);
    const place = (x, y, z) => `${signed(x)} right, ${signed(z)} up, ${signed(y)} away`;
    const lines = [
      (this.people.length > 1 ? `person ${person.id}: ` : "") + this.joints[j],
      `${this.seen(person, row, j) ? "seen" : "not seen"}, score ${score.toFixed(2)}`,
      `metres from the hip: ${place(...person.offsets.subarray(at, at + 3))}`,
    ];
    if (this.placed) lines.push(`in the room: ${place(...this.joint(person, row, j))}`);
    return lines.join("\n");
  }
}

"use strict";

// Distance in pixels within which a pointer or a finger selects a joint.
const NEAR_PX = { mouse: 14, pen: 18, touch: 28 };

const byId = (id) => document.getElementById(id);

/** The page: the current frame and the controls. */
class Viewer {
  constructor(motion) {
    this.motion = motion;
    this.index = 0;
    this.playing = false;
    this.marked = null;
    this.image = new ImagePanel(byId("image"), motion);
    this.panels = [this.image];
    try {
      this.stage = new Stage(byId("stage"), motion, () => this.refresh());
      this.panels.push(this.stage);
    } catch (error) {
      // Without WebGL, the keypoints can still be played.
      this.say(byId("stage"), `The 3D view requires WebGL, which is not available in this browser: ${error.message}`);
    }
    this.listPeople();
    this.listNotes();
    this.listen();
    this.resize();
    if (this.stage) {
      byId("follow").checked = this.stage.following;
      this.stage.look("half", 0);
    }
    this.go(0);
  }

  say(section, text) {
    const line = document.createElement("p");
    line.className = "broken";
    line.textContent = text;
    section.append(line);
  }

  listPeople() {
    if (this.motion.people.length < 2) return;
    for (const person of this.motion.people) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = `person ${person.id}`;
      button.title = "Show or hide";
      button.style.setProperty("--colour", person.bone_colours[0]);
      button.setAttribute("aria-pressed", "true");
      button.addEventListener("click", () => {
        person.shown = !person.shown;
        button.setAttribute("aria-pressed", String(person.shown));
        this.go(this.index);
      });
      byId("people").append(button);
    }
  }

  listNotes() {
    const { motion } = this;
    for (const note of motion.notes) {
      const item = document.createElement("li");
      item.textContent = note;
      byId("notes").querySelector("ul").append(item);
    }
    byId("notes").hidden = !motion.notes.length;
    document.querySelector(".unseen").hidden = motion.people.every((person) => person.seen.every((v) => v === 1));
  }

  listen() {
    byId("frame").max = this.motion.count - 1;
    byId("frame").addEventListener("input", (event) => {
      this.pause();
      this.go(Number(event.target.value));
    });
    byId("play").addEventListener("click", () => this.toggle());
    for (const button of document.querySelectorAll("[data-view]")) {
      button.addEventListener("click", () => this.look(button.dataset.view));
    }
    byId("follow").addEventListener("change", (event) => this.follow(event.target.checked));
    document.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.resize()).observe(document.querySelector("main"));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      if (this.stage) this.stage.theme();
      this.refresh();
    });
    for (const panel of this.panels) {
      for (const type of ["pointermove", "pointerdown"]) {
        panel.canvas.addEventListener(type, (event) => this.point(panel, event));
      }
      panel.canvas.addEventListener("pointerleave", (event) => {
        // A finger leaves when it is lifted; the text stays readable.
        if (event.pointerType !== "touch") this.mark(null);
      });
    }
    document.addEventListener("click", (event) => {
      // Otherwise the space bar would press the clicked control again.
      if (event.detail > 0 && event.target.closest("button, summary, input")) document.activeElement.blur();
    });
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("select")) return;
    if (event.key === " " && event.target.closest("button, summary, [type=checkbox]")) return;
    const far = event.shiftKey ? 10 : 1;
    const actions = {
      " ": () => this.toggle(),
      ArrowLeft: () => this.step(-far),
      ArrowRight: () => this.step(far),
      Home: () => this.step(-Infinity),
      End: () => this.step(Infinity),
      1: () => this.look("camera"),
      2: () => this.look("right"),
      3: () => this.look("top"),
      f: () => this.follow(!byId("follow").checked),
    };
    if (!(event.key in actions)) return;
    event.preventDefault();
    actions[event.key]();
  }

  look(side) {
    if (!this.stage) return;
    this.stage.look(side, this.index);
    this.refresh();
  }

  follow(wanted) {
    byId("follow").checked = wanted;
    if (!this.stage) return;
    this.stage.following = wanted;
    this.look("half");
  }

  step(frames) {
    this.pause();
    this.go(Math.max(0, Math.min(this.motion.count - 1, this.index + frames)));
  }

  toggle() {
    if (this.playing) this.pause();
    else this.play();
  }

  play() {
    if (this.motion.count < 2) return;
    this.playing = true;
    byId("play").classList.add("playing");
    byId("play").setAttribute("aria-label", "pause");
    let before = performance.now();
    let position = this.index;
    const tick = (now) => {
      if (!this.playing) return;
      // Follows the clock: a slow machine drops frames and keeps the speed.
      const rate = (this.motion.fps / this.motion.step) * Number(byId("speed").value);
      // The first tick may be timed before the key was pressed.
      position = (position + (Math.max(0, now - before) / 1000) * rate) % this.motion.count;
      before = now;
      if (Math.floor(position) !== this.index) this.go(Math.floor(position));
      requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
  }

  pause() {
    this.playing = false;
    byId("play").classList.remove("playing");
    byId("play").setAttribute("aria-label", "play");
  }

  go(index) {
    this.index = index;
    const { motion } = this;
    const frame = motion.frame(index);
    byId("frame").value = index;
    const when = motion.fps_known ? `, ${(frame / motion.fps).toFixed(2)} s` : "";
    byId("clock").value = `frame ${frame}${when}`;
    if (this.marked && !motion.present(index).some(([person]) => person === this.marked.person)) this.mark(null);
    for (const panel of this.panels) panel.show(index, this.marked);
    this.describe();
    this.refresh();
  }

  resize() {
    if (this.stage) this.stage.resize();
    this.refresh();
  }

  /** Draws once in the next animation frame, for any number of calls. */
  refresh() {
    if (this.asked) return;
    this.asked = true;
    requestAnimationFrame(() => {
      this.asked = false;
      this.image.draw();
      if (this.stage) this.stage.render();
    });
  }

  /** Marks the joint nearest to the pointer, if one is near. */
  point(panel, event) {
    const bounds = panel.canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - bounds.left, event.clientY - bounds.top];
    let least = NEAR_PX[event.pointerType] || NEAR_PX.mouse;
    let found = null;
    for (const [person, row] of this.motion.present(this.index)) {
      for (let joint = 0; joint < this.motion.joints.length; joint += 1) {
        const [px, py] = panel.onScreen(person, row, joint);
        const distance = Math.hypot(px - x, py - y);
        if (distance < least) {
          least = distance;
          found = { person, joint };
        }
      }
    }
    this.mark(found && { ...found, x: event.clientX, y: event.clientY });
  }

  mark(marked) {
    this.marked = marked;
    for (const panel of this.panels) panel.show(this.index, marked);
    this.describe();
    this.refresh();
  }

  describe() {
    const tip = byId("tip");
    tip.hidden = !this.marked;
    if (!this.marked) return;
    const { person, joint, x, y } = this.marked;
    const row = Motion.find(person.frames, this.motion.frame(this.index));
    tip.textContent = this.motion.describe(person, row, joint);
    const { width, height } = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(4, Math.min(x + 14, innerWidth - width - 4))}px`;
    tip.style.top = `${y + 18 + height < innerHeight ? y + 18 : y - height - 12}px`;
  }
}

const viewer = new Viewer(new Motion(JSON.parse(byId("motion").textContent)));

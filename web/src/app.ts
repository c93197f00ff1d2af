/** The application: connects sources, views and files. */

import { clipOf, DISTANCE_NOTE, fileNameOf, finished, LEVEL_NOTE, modelsOf, rateOfClip, type Clip } from "./clips";
import { Engine, type FrameAnswer } from "./engine/client";
import type { Backend, Choice } from "./engine/messages";
import { messageOf } from "./errors";
import { FileError, MAX_BYTES, MAX_ROWS } from "./files/checks";
import * as results from "./files/results";
import type { ImageSize } from "./lifting/lifter";
import { inRoom, LiveRoom, rowOf, RowSmoother, type Row } from "./lifting/motion";
import { rateOf, Recording } from "./lifting/recording";
import { DEFAULT } from "./lifting/smoothing";
import { element, printable, save, say } from "./page";
import { Settings } from "./settings";
import tables from "./tables.json";
import { Curves, sampleOf } from "./view/curves";
import { cameraMessage, Film } from "./view/film";
import { Meters } from "./view/meters";
import { Overlay, viewOf, type View } from "./view/overlay";
import { Player } from "./view/player";
import { stageIn, type Stage, type ViewName } from "./view/stage";
import { installTheme } from "./view/theme";

type Mode = "idle" | "camera" | "video" | "lifting" | "clip";

export class App {
  private mode: Mode = "idle";
  private clip: Clip | null = null;
  private clipView: View | null = null;
  private recording: Recording | null = null;
  private isRecording = false;
  private isFollowing = false;
  /** Aborts the user's earlier request when there is a new one. */
  private work = new AbortController();
  private name = "camera";
  private times: number[] = [];
  private smoother = new RowSmoother(DEFAULT);
  private live = new LiveRoom();
  private imageSize: ImageSize = [1, 1];
  /** The networks that the worker has loaded. */
  private choice: Choice;
  private readonly stage: Stage | null;
  private readonly overlay = new Overlay(element<HTMLCanvasElement>("overlay"));
  private readonly curves = new Curves(element("angles"));
  private readonly meters = new Meters(element("rate"), element("marker-ms"), element("lifter-ms"));
  private readonly settings: Settings;
  private readonly engine: Engine;
  private readonly film: Film;
  private readonly player: Player;

  constructor() {
    this.stage = stageIn(element("room"));
    this.settings = new Settings({
      onChoice: (choice) => void this.choose(choice),
      onSmoothing: () => this.onSmoothing(),
      onMirror: () => this.onMirror(),
      onDevice: () => this.mode === "camera" && void this.startCamera(),
    });
    this.choice = this.settings.choice;
    this.engine = new Engine(this.choice);
    this.film = new Film(element<HTMLVideoElement>("video"), this.engine, {
      onImage: (answer, seconds) => this.onImage(answer, seconds),
      onEnd: (problem) => {
        this.stop();
        if (problem) say(`${this.name}: ${problem}.`, true);
      },
      onError: (message) => {
        this.stop();
        say(message, true);
      },
    });
    this.player = new Player(
      {
        bar: element("timeline"),
        play: element<HTMLButtonElement>("play"),
        seek: element<HTMLInputElement>("seek"),
        clock: element<HTMLOutputElement>("clock"),
      },
      (people, seconds) => {
        const size = this.clip?.motion.imageSize ?? [1, 1];
        this.overlay.show(people.map(({ row }) => row), size, null, this.clipView);
        this.stage?.show(people);
        const first = this.clip?.motion.tracks[0]?.id;
        this.curves.mark(people.find(({ id }) => id === first)?.row ?? null, seconds);
      },
    );
    addEventListener("beforeunload", (event) => this.isUnsaved && event.preventDefault());
    installTheme(element<HTMLButtonElement>("theme"), () => {
      this.stage?.theme();
      this.overlay.draw();
      this.curves.draw();
    });
    this.enter("idle");
  }

  /** Whether a recording would be lost if the page were closed. */
  get isUnsaved(): boolean {
    return Boolean(this.recording?.count) || this.clip?.saved === false;
  }

  /** Whether nothing would be lost, or the user agrees to it. */
  private mayReplace(): boolean {
    return !this.isUnsaved || confirm("The recording has not been downloaded. Discard it?");
  }

  /** Waits until the networks are loaded, and shows where they run. */
  async ready(): Promise<Backend> {
    const backend = await this.engine.ready;
    this.settings.tell(backend);
    return backend;
  }

  view(name: ViewName): void {
    this.stage?.look(name);
  }

  async startCamera(): Promise<void> {
    this.leave();
    const { signal } = this.work;
    this.name = "camera";
    say("Waiting for the camera…");
    try {
      this.begin("camera");
      await this.film.startCamera(this.settings.deviceId);
      if (signal.aborted) return;
      this.onMirror();
      say("Looking for a person…");
      await this.settings.listDevices();
    } catch (error) {
      if (signal.aborted) return; // The user has requested something else.
      this.goBack(error instanceof DOMException ? cameraMessage(error) : `No camera: ${messageOf(error)}.`);
    }
  }

  async open(file: File): Promise<void> {
    if (!this.mayReplace()) return;
    this.leave();
    const { signal } = this.work;
    this.name = file.name;
    try {
      if (/\.json$/i.test(file.name) || file.type === "application/json") {
        if (file.size > MAX_BYTES) {
          throw new FileError(`more than ${MAX_BYTES / 2 ** 20} MiB; use lift.py for larger files`);
        }
        await this.openText(await file.text(), file.name, signal);
      } else {
        say("Opening the video…");
        this.begin("video");
        this.startRecording();
        await this.film.startFile(file);
        if (!signal.aborted) say("Lifting the video at the speed of this device…");
      }
    } catch (error) {
      if (signal.aborted) return;
      this.goBack(`${file.name}: ${messageOf(error)}`);
    }
  }

  private async openText(text: string, name: string, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    this.enter("lifting");
    const progress = (done: number, all: number) => say(`Lifting: ${done} of ${all} poses`);
    const clip = await clipOf(text, name, this.engine, progress, signal);
    if (!signal.aborted) this.load(clip);
  }

  async example(): Promise<void> {
    if (!this.mayReplace()) return;
    this.leave();
    const { signal } = this.work;
    try {
      const response = await fetch(new URL("example.json", document.baseURI));
      await this.openText(await response.text(), "example.json", signal);
    } catch (error) {
      if (!signal.aborted) this.goBack(`The example cannot be loaded: ${messageOf(error)}`);
    }
  }

  /** Returns to the previous view after an error. */
  private goBack(message: string): void {
    this.film.stop();
    this.recording = null;
    this.isRecording = false;
    if (this.clip) this.load(this.clip);
    else this.enter("idle");
    say(message, true);
  }

  /** Stops the camera, the video or the clip. */
  stop(): void {
    if (this.mode === "clip") {
      if (!this.mayReplace()) return;
      this.clip = null;
      this.leave();
      say("Ready.");
      return;
    }
    this.leave();
    if (this.clip) this.load(this.clip);
    else say("Stopped.");
  }

  toggleRecording(): void {
    if (this.mode !== "camera") return;
    if (!this.isRecording) {
      if (!this.mayReplace()) return;
      this.startRecording();
      say("Recording.");
      return;
    }
    const count = this.recording?.count ?? 0;
    this.finishRecording();
    this.enter(this.mode);
    say(count > 0 ? `${count} poses recorded; download them, or stop to view them.` : "No person was recorded.");
  }

  download(): void {
    if (!this.clip) return;
    const { motion, name } = finished(this.clip, this.settings.smoothing);
    save(results.write(motion), fileNameOf(name));
    this.clip.saved = true;
    say("Saved. To convert it, use lift.py --keypoints=FILE.json --formats=bvh.");
  }

  private startRecording(): void {
    this.recording = null;
    this.isRecording = true;
    element("recording").dataset.count = "0";
    this.times = [];
    this.enter(this.mode);
  }

  private finishRecording(): void {
    const { recording } = this;
    this.recording = null;
    this.isRecording = false;
    if (!recording) return;
    const fps = this.film.isCamera ? this.film.fps : (rateOf(this.times) ?? tables.assumed_fps);
    const motion = recording.finish(
      this.film.isCamera ? null : 0,
      fps,
      [DISTANCE_NOTE, LEVEL_NOTE],
      {
        input: this.name,
        model: modelsOf(recording.used("lifter")),
        detector: `BlazePose ${recording.used("detector").join(" and ")}, in the browser`,
      },
    );
    if (motion) this.clip = { name: this.name, motion, ours: true, saved: false };
  }

  private onImage({ image, found, times }: FrameAnswer, seconds: number): void {
    const size: ImageSize = [image.width, image.height];
    this.meters.add(times, found !== null);
    if (this.isRecording) this.times.push(seconds);
    if (size[0] !== this.imageSize[0] || size[1] !== this.imageSize[1]) this.onSize(size);
    element("image").dataset.found = String(found !== null);
    if (!found) {
      this.isFollowing = false;
      this.overlay.show([], size, image);
      this.stage?.show([]);
      return;
    }
    const row = rowOf(0, found.keypoints, found.pose, found.root);
    if (this.isRecording) this.record(row, seconds, found.choice);
    if (!this.film.isRunning) {
      image.close();
      return; // It was the last image.
    }
    const shown = this.settings.smoothing ? this.smoother.step(row, seconds) : row;
    this.overlay.show([shown], size, image);
    const placed = [this.live.place(shown, seconds)];
    if (this.isFollowing) this.stage?.show(placed);
    else this.stage?.begin(placed);
    this.isFollowing = true;
    this.curves.push(shown, seconds);
    if (element("status").textContent === "Looking for a person…") say("Following a person.");
  }

  private record(row: Row, seconds: number, choice: Choice): void {
    this.recording ??= new Recording(this.imageSize, MAX_ROWS);
    this.recording.add(row, seconds, choice);
    element("recording").dataset.count = String(this.recording.count);
    if (!this.recording.full) return;
    if (this.mode === "camera") this.toggleRecording();
    else this.stop();
    say(`${this.name}: the recording has ended at the limit of ${MAX_ROWS} poses.`);
  }

  /** The image size has changed, as when a phone is turned: ends the recording. */
  private onSize(size: ImageSize): void {
    this.imageSize = size;
    this.restart();
    if (this.isRecording && this.recording) {
      this.finishRecording();
      this.enter(this.mode);
      say("The recording has ended, because the image size has changed.");
    }
  }

  /** Resets the smoothing and the room. */
  private restart(): void {
    this.isFollowing = false;
    this.smoother = new RowSmoother(this.settings.smoothing ?? DEFAULT);
    this.live = new LiveRoom();
  }

  private begin(mode: Mode): void {
    this.restart();
    this.meters.clear();
    this.curves.clear();
    this.times = [];
    this.imageSize = [1, 1];
    this.enter(mode);
  }

  /** Stops and clears all views; the last recording can still be downloaded. */
  private leave(): void {
    this.work.abort();
    this.work = new AbortController();
    this.finishRecording();
    this.film.stop();
    this.player.unload();
    this.overlay.clear();
    this.stage?.show([]);
    this.curves.clear();
    this.meters.clear();
    this.enter("idle");
  }

  private load(clip: Clip, keepTime = false): void {
    const { motion } = finished(clip, this.settings.smoothing);
    const fps = rateOfClip(clip);
    this.clip = clip;
    const frames = inRoom(motion, fps);
    this.clipView = viewOf(motion.tracks.flatMap((track) => track.rows), motion.imageSize);
    this.curves.load(motion.tracks[0]!.rows.map((row) => sampleOf(row, row.frame / fps)));
    if (!keepTime) this.stage?.begin(frames.get(motion.tracks[0]!.rows[0]!.frame)!);
    this.player.load(frames, fps, keepTime);
    this.enter("clip");
    const count = motion.tracks.reduce((sum, track) => sum + track.rows.length, 0);
    element("notes").textContent = printable(motion.notes.join(" "));
    say(`${clip.name}: ${count} poses${motion.tracks.length > 1 ? ` of ${motion.tracks.length} people` : ""}.`);
  }

  private onSmoothing(): void {
    if (this.settings.smoothing) this.smoother.settings = this.settings.smoothing;
    if (this.mode === "clip" && this.clip) this.load(this.clip, true);
  }

  private onMirror(): void {
    // Only the picture is mirrored: left is still the person's left.
    element("film").classList.toggle("mirrored", this.mode === "camera" && this.settings.mirrored && !this.film.isRear);
  }

  private async choose(choice: Choice): Promise<void> {
    const loading = "Loading the network…";
    const shown = element("status").textContent;
    // The page or an earlier choice may still be loading.
    const before = !shown || shown.startsWith("Loading") ? "Ready." : shown;
    say(loading);
    try {
      this.settings.tell(await this.engine.choose(choice));
      this.choice = choice;
      if (element("status").textContent === loading) say(before);
    } catch (error) {
      // The worker continues with the previous networks.
      this.settings.takeBack(choice, this.choice);
      say(`The network cannot be loaded: ${messageOf(error)}`, true);
    }
  }

  private enter(mode: Mode): void {
    this.mode = mode;
    document.body.dataset.mode = mode;
    document.body.dataset.recording = String(this.isRecording);
    const running = mode === "camera" || mode === "video";
    element("welcome").hidden = mode !== "idle";
    element("recording").hidden = !(this.isRecording && mode === "camera");
    element<HTMLButtonElement>("stop").disabled = mode === "idle";
    element<HTMLButtonElement>("record").disabled = mode !== "camera";
    element("record").setAttribute("aria-pressed", String(this.isRecording));
    element<HTMLButtonElement>("download").disabled = running && this.isRecording ? true : !this.clip;
    if (!running) delete element("image").dataset.found;
    if (mode !== "clip") element("notes").textContent = "";
    this.onMirror();
  }

  /** Handles space and arrow keys, which control a clip. */
  onKey(key: string): boolean {
    if (this.mode !== "clip") return false;
    if (key === " ") this.player.toggle();
    else if (key === "ArrowRight") this.player.step(1);
    else if (key === "ArrowLeft") this.player.step(-1);
    else return false;
    return true;
  }
}

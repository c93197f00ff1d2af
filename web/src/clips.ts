/** Clips: recordings, lifted keypoints and loaded results. */

import type { Engine } from "./engine/client";
import { messageOf } from "./errors";
import { FileError, parse } from "./files/checks";
import * as keypointFiles from "./files/keypoints";
import * as results from "./files/results";
import { LEVEL } from "./lifting/floor";
import { NORMALISATION } from "./lifting/lifter";
import { rowOf, smoothed, withRoots, type Motion, type Row } from "./lifting/motion";
import type { OneEuro } from "./lifting/smoothing";
import tables from "./tables.json";

export const LEVEL_NOTE = "The camera is assumed to be level.";
export const DISTANCE_NOTE =
  `Distances assume a field of view of ${tables.field_of_view_deg} degrees ` +
  "along the image's longer side.";

export interface Clip {
  name: string;
  motion: Motion;
  /** Whether the page lifted it; loaded results are not changed. */
  ours: boolean;
  /** Whether it exists elsewhere: it was downloaded, or is from a JSON file. */
  saved: boolean;
}

/** Returns the frame rate at which a clip is shown. */
export function rateOfClip({ motion }: Clip): number {
  return motion.fps ?? tables.assumed_fps;
}

/** Returns the file name for a clip, with the current time. */
export function fileNameOf(name: string): string {
  const stem = name.replace(/\.[^.]*$/, "").replace(/[^\w-]+/g, "_") || "clip";
  const time = new Date().toISOString().slice(0, 19).replace(/[-:]/g, "").replace("T", "-");
  return `${stem}-${time}.json`;
}

/** Returns the file names of lifters, as one string for saved results. */
export function modelsOf(lifters: Iterable<string>): string {
  return Array.from(lifters, (name) => `${name}_float32.tflite`).join(", ");
}

/** Returns the clip as shown and saved: smoothed, if enabled. */
export function finished(clip: Clip, smoothing: OneEuro | null): Clip {
  if (!clip.ours || !smoothing) return clip;
  return { ...clip, motion: smoothed(clip.motion, smoothing, rateOfClip(clip)) };
}

/**
 * Reads a saved result, or reads and lifts keypoints.
 *
 * @param progress Called about ten times with the numbers of lifted and of all
 *   poses; screen readers announce it.
 * @param signal Aborts the lifting, which then throws the signal's reason.
 */
export async function clipOf(
  text: string,
  name: string,
  engine: Engine,
  progress: (done: number, all: number) => void,
  signal: AbortSignal,
): Promise<Clip> {
  const content = parse(text);
  if (results.isResult(content)) {
    try {
      return { name, motion: results.read(content), ours: false, saved: true };
    } catch (error) {
      throw new FileError(`not a result of AMPose: ${messageOf(error)}`);
    }
  }
  const { people, imageSize, imageCorner, sizeKnown, fps, notes } = keypointFiles.read(content);
  let told = 0;
  const onBatch = (done: number) => {
    const tenths = Math.floor((10 * done) / people.length);
    if (tenths > told) progress(done, people.length);
    told = tenths;
  };
  const lifted = await engine.lift(
    people.map(({ keypoints }) => keypoints),
    imageSize,
    sizeKnown,
    onBatch,
    signal,
  );
  const rows = lifted.flatMap((found, i): Row[] =>
    found ? [rowOf(people[i]!.frame, found.keypoints, found.pose, found.root)] : [],
  );
  if (rows.length === 0) throw new FileError("no joint is visible");
  const lifters = new Set(lifted.flatMap((found) => (found ? [found.choice.lifter] : [])));
  const motion = withRoots({
    tracks: [{ id: 0, rows }],
    imageSize,
    imageCorner,
    fps,
    up: LEVEL,
    notes: [...notes, ...(sizeKnown ? [DISTANCE_NOTE] : []), LEVEL_NOTE],
    normalisation: NORMALISATION,
    provenance: { input: name, model: modelsOf(lifters) },
  });
  return { name, motion, ours: true, saved: true };
}

/** Reads and writes saved results, like `lifting/results.py`. */

import type { Motion, Row, Track } from "../lifting/motion";
import type { Point } from "../lifting/root";
import { COUNT, EDGES, JOINTS } from "../lifting/skeleton";
import tables from "../tables.json";
import {
  brief,
  FileError,
  isObject,
  list,
  MAX_PEOPLE,
  MAX_ROWS,
  number,
  numbers,
  RATE,
  table,
  type JsonObject,
} from "./checks";

const WORDS = tables.result;
const METRES = { low: -WORDS.max_metres, high: WORDS.max_metres };
const PIXELS = { low: -WORDS.max_pixel, high: WORDS.max_pixel };
const SHARE = { low: 0, high: 1 };
const MAX_NOTES = 1000;
const MAX_NOTE = 4000;

/** Whether parsed JSON has the format of a saved result. */
export function isResult(content: unknown): content is JsonObject {
  return isObject(content) && content.format === WORDS.format;
}

/** Returns the text of a saved result; tracks have all roots or none. */
export function write(motion: Motion): string {
  const rows = (array: ArrayLike<number>, columns: number) =>
    Array.from({ length: array.length / columns }, (_, i) =>
      Array.from({ length: columns }, (_, k) => decimal(array[columns * i + k]!)),
    );
  return JSON.stringify({
    joint_names: JOINTS,
    edges: EDGES,
    image_size: motion.imageSize,
    image_corner: motion.imageCorner,
    up: motion.up,
    notes: motion.notes,
    normalisation: motion.normalisation,
    units: WORDS.units,
    frame: WORDS.frame,
    root: WORDS.root,
    format: WORDS.format,
    provenance: motion.provenance,
    fps: motion.fps,
    tracks: motion.tracks.map((track) => ({
      track_id: track.id,
      frame_numbers: track.rows.map((row) => row.frame),
      poses_3d: track.rows.map((row) => rows(row.joints, 3)),
      root_positions: track.rows.map((row) =>
        row.root ? row.root.map((value) => decimal(value)) : [null, null, null],
      ),
      keypoints_px: track.rows.map((row) => rows(row.pixels, 2)),
      scores: track.rows.map((row) => rows(row.scores, COUNT)[0]),
      seen: track.rows.map((row) => row.seen),
      spread_m: track.rows.map((row) => rows(row.spread, COUNT)[0]),
    })),
  });
}

/** Returns the shortest decimal for the same float32; null for NaN. */
export function decimal(value: number): number | null {
  if (!Number.isFinite(value)) return null;
  const single = Math.fround(value);
  for (let digits = 6; digits < 9; digits += 1) {
    const short = Number(single.toPrecision(digits));
    if (Math.fround(short) === single) return short;
  }
  return Number(single.toPrecision(9));
}

/** Returns the motion in a saved result. */
export function read(content: JsonObject): Motion {
  for (const name of ["units", "frame", "root"] as const) {
    if (content[name] !== WORDS[name]) {
      throw new FileError(`${name}: expected "${WORDS[name]}", got ${brief(content[name])}`);
    }
  }
  const names = list(content.joint_names, "joint_names", COUNT);
  if (!names.every((name, j) => name === JOINTS[j])) {
    throw new FileError("joint_names: expected Human3.6M's 17 joints");
  }
  const notes = list(content.notes, "notes");
  if (notes.length > MAX_NOTES) throw new FileError(`notes: more than ${MAX_NOTES}`);
  const up = numbers(content.up, "up", 3, { low: -1.01, high: 1.01 }) as Point;
  if (Math.abs(Math.hypot(...up) - 1) > 1e-4) {
    throw new FileError(`up: expected a vector of length 1, got ${brief(content.up)}`);
  }
  const tracks = list(content.tracks, "tracks");
  if (tracks.length === 0 || tracks.length > MAX_PEOPLE) {
    throw new FileError(`tracks: expected 1 to ${MAX_PEOPLE} people, got ${tracks.length}`);
  }
  const motion: Motion = {
    tracks: [],
    imageSize: numbers(content.image_size, "image_size", 2, {
      low: 1,
      high: WORDS.max_pixel,
    }) as [number, number],
    imageCorner: numbers(content.image_corner, "image_corner", 2, PIXELS) as [number, number],
    fps: content.fps === null ? null : number(content.fps, "fps", RATE),
    up,
    notes: notes.map(cut),
    normalisation: normalisationOf(content.normalisation),
    provenance: provenanceOf(content.provenance),
  };
  let left = MAX_ROWS;
  for (const track of tracks) {
    if (!isObject(track)) throw new FileError(`tracks: expected objects, got ${brief(track)}`);
    motion.tracks.push(trackOf(track, left));
    left -= motion.tracks.at(-1)!.rows.length;
  }
  const ids = motion.tracks.map((track) => track.id);
  if (new Set(ids).size < ids.length) throw new FileError("track_id: expected different ids");
  return motion;
}

function normalisationOf(value: unknown): string {
  if (value === "longest" || value === "width") return value;
  throw new FileError(`normalisation: expected longest or width, got ${brief(value)}`);
}

/** Returns a text with a limited length. */
function cut(value: unknown): string {
  return typeof value === "string" ? value.slice(0, MAX_NOTE) : brief(value);
}

function provenanceOf(value: unknown): Record<string, string> {
  if (value === undefined) return {};
  if (!isObject(value)) throw new FileError(`provenance: expected an object, got ${brief(value)}`);
  const pairs = Object.entries(value).slice(0, MAX_NOTES);
  return Object.fromEntries(pairs.map(([name, text]) => [cut(name), cut(text)]));
}

function trackOf(content: JsonObject, most: number): Track {
  const frames = list(content.frame_numbers, "frame_numbers");
  const count = frames.length;
  if (count === 0) throw new FileError("frame_numbers: expected at least one");
  if (count > most) throw new FileError(`not read: more than ${MAX_ROWS} poses; split it`);
  const column = (name: string) => list(content[name], name, count);
  const [poses, roots, pixels, scores, seen, spread] = [
    "poses_3d",
    "root_positions",
    "keypoints_px",
    "scores",
    "seen",
    "spread_m",
  ].map(column) as [unknown[], unknown[], unknown[], unknown[], unknown[], unknown[]];
  let before = -1;
  const rows = frames.map((value, i): Row => {
    const frame = number(value, "frame_numbers", { low: 0, high: WORDS.max_frame });
    if (!Number.isInteger(frame) || frame <= before) {
      throw new FileError(`frame_numbers: expected increasing whole numbers, got ${brief(value)}`);
    }
    before = frame;
    const place = numbers(roots[i], "root_positions", 3, { ...METRES, mayLack: true });
    const root = place.map(Math.fround) as Point;
    return {
      frame,
      joints: table(poses[i], "poses_3d", COUNT, 3, METRES),
      root: root.every(Number.isFinite) ? root : null,
      pixels: table(pixels[i], "keypoints_px", COUNT, 2, { ...PIXELS, mayLack: true }),
      scores: Float32Array.from(numbers(scores[i], "scores", COUNT, SHARE)),
      seen: list(seen[i], "seen", COUNT).map((one) => one === true || one === 1),
      spread: Float32Array.from(
        numbers(spread[i], "spread_m", COUNT, { low: 0, high: WORDS.max_metres, mayLack: true }),
      ),
    };
  });
  return { id: number(content.track_id, "track_id", { low: -(2 ** 53), high: 2 ** 53 }), rows };
}

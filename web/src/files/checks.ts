/**
 * Checks values from untrusted files.
 *
 * An error is one line with the expected value.
 */

export const MAX_BYTES = 64 * 2 ** 20;
/**
 * The largest number of poses of all people: 22 minutes at 30 per second. A
 * result with this number, at 1.6 kB each, is smaller than MAX_BYTES.
 */
export const MAX_ROWS = 40_000;
export const MAX_PEOPLE = 200;
/** The range of frame rates. */
export const RATE = { low: 1e-6, high: 1000 };
const SHOWN = 60;

/** A file that cannot be used; its message is for the user. */
export class FileError extends Error {}

export type JsonObject = Record<string, unknown>;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Returns a value as short printable text. */
export function brief(value: unknown): string {
  // Only the beginning: large values are slow, and deep ones would overflow.
  const text =
    typeof value === "string"
      ? JSON.stringify(value.slice(0, 4 * SHOWN))
      : Array.isArray(value)
        ? `a list of ${value.length}`
        : isObject(value)
          ? `an object of ${Object.keys(value).slice(0, 3).map((name) => name.slice(0, SHOWN)).join(", ") || "nothing"}`
          : String(value);
  const printable = text.slice(0, 4 * SHOWN).replace(/[^\x20-\x7e\xa1-\uffff]/g, "?");
  return printable.length > SHOWN ? `${printable.slice(0, SHOWN)}…` : printable;
}

/** Parses JSON. */
export function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new FileError("it is not JSON; expected a result or keypoints saved as .json");
  }
}

export interface Range {
  low: number;
  high: number;
  /** Whether null is allowed, for an unknown number. */
  mayLack?: boolean;
}

/** Checks and returns a number within a range. */
export function number(value: unknown, name: string, range: Range): number {
  if (value === null && range.mayLack) return NaN;
  if (typeof value === "number" && value >= range.low && value <= range.high) return value;
  throw new FileError(
    `${name}: expected a number from ${range.low} to ${range.high}, got ${brief(value)}`,
  );
}

/** Checks and returns a list, of a given length if any. */
export function list(value: unknown, name: string, length?: number): unknown[] {
  if (!Array.isArray(value)) throw new FileError(`${name}: expected a list, got ${brief(value)}`);
  if (length !== undefined && value.length !== length) {
    throw new FileError(`${name}: expected ${length} values, got ${value.length}`);
  }
  return value;
}

/** Checks and returns a list of numbers. */
export function numbers(value: unknown, name: string, length: number, range: Range): number[] {
  return list(value, name, length).map((one) => number(one, name, range));
}

/** Checks and returns a list of lists as one array: (rows, columns). */
export function table(
  value: unknown,
  name: string,
  rows: number,
  columns: number,
  range: Range,
): Float32Array {
  return Float32Array.from(
    list(value, name, rows).flatMap((row) => numbers(row, name, columns, range)),
  );
}

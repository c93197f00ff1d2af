/**
 * Values of strangers' files, within bounds.
 *
 * What is wrong becomes one line that says what was expected.
 */

export const MAX_BYTES = 64 * 2 ** 20;
/**
 * Poses of all people together: 22 minutes at 30 a second. What is written of
 * so many, 1.6 kB each, is within MAX_BYTES.
 */
export const MAX_ROWS = 40_000;
export const MAX_PEOPLE = 200;
/** Of frames per second. */
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
  // Not all of a large value, nor of a deep one, which would overflow.
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

/** Returns the text's JSON. */
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
  /** Whether null stands for an unknown number. */
  mayLack?: boolean;
}

/** Returns one number within a range. */
export function number(value: unknown, name: string, range: Range): number {
  if (value === null && range.mayLack) return NaN;
  if (typeof value === "number" && value >= range.low && value <= range.high) return value;
  throw new FileError(
    `${name}: expected a number from ${range.low} to ${range.high}, got ${brief(value)}`,
  );
}

/** Returns a list, of a length if one is given. */
export function list(value: unknown, name: string, length?: number): unknown[] {
  if (!Array.isArray(value)) throw new FileError(`${name}: expected a list, got ${brief(value)}`);
  if (length !== undefined && value.length !== length) {
    throw new FileError(`${name}: expected ${length} values, got ${value.length}`);
  }
  return value;
}

/** Returns a list of numbers. */
export function numbers(value: unknown, name: string, length: number, range: Range): number[] {
  return list(value, name, length).map((one) => number(one, name, range));
}

/** Returns a list of lists as one array: (rows, columns). */
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

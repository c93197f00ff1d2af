/** Tracks one person from image to image. */

import { anchorCentres, DETECTOR_SIZE } from "./anchors";
import { decode, suppress, type Detection } from "./detection";
import { LANDMARKS_SIZE, personOf, type Person } from "./landmarks";
import { personRegion, searchRegions, Steady, toImage, type Region } from "./region";
import { sample, type Picture } from "./sampling";

/** BlazePose's two networks, wherever they run. */
export interface Networks {
  /** (224, 224, 3) in [-1, 1] to boxes (2254, 12) and logits (2254). */
  detect(image: Float32Array): Promise<[Float32Array, Float32Array]>;
  /** (256, 256, 3) in [0, 1] to values (39, 5), presence and heatmap. */
  landmarks(image: Float32Array): Promise<[Float32Array, number, Float32Array]>;
}

/** Milliseconds of an image's processing stages. */
export interface Stages {
  detect: number;
  landmarks: number;
}

/**
 * Tracks a person by the region from the landmarks in the image before. The
 * detector runs only if the person is lost.
 */
export class Tracker {
  private region: Region | null = null;
  private steady = new Steady();
  private searched = 0;
  private readonly centres = anchorCentres();
  private readonly small = new Float32Array(DETECTOR_SIZE * DETECTOR_SIZE * 3);
  private readonly large = new Float32Array(LANDMARKS_SIZE * LANDMARKS_SIZE * 3);

  constructor(private readonly networks: Networks) {}

  /** Forgets the person, because another video begins. */
  reset(): void {
    this.region = null;
    this.searched = 0;
  }

  /**
   * Returns the person in a picture, or null, and the time that it took.
   *
   * @param seconds Time of the picture, increasing.
   */
  async find(picture: Picture, seconds: number): Promise<[Person | null, Stages]> {
    const stages = { detect: 0, landmarks: 0 };
    let person: Person | null = null;
    if (this.region) person = await this.look(picture, this.region, stages);
    // If the person is lost or not found yet, the same image is searched.
    if (!person) {
      this.steady = new Steady();
      this.region = await this.search(picture, stages);
      if (this.region) person = await this.look(picture, this.region, stages);
    }
    this.region = person && this.steady.step(person.hips, person.top, seconds);
    return [person, stages];
  }

  private async search(picture: Picture, stages: Stages): Promise<Region | null> {
    const start = performance.now();
    // In each image, search the whole and one of the parts, in rotation.
    const [whole, ...parts] = searchRegions(picture.width, picture.height);
    const places = [whole!, parts[this.searched % parts.length]!];
    this.searched += 1;
    for (const place of places) {
      sample(picture, place, DETECTOR_SIZE, "black", -1, 1, this.small);
      const [boxes, logits] = await this.networks.detect(this.small);
      const best: Detection | undefined = suppress(decode(boxes, logits, this.centres))[0];
      if (best) {
        this.searched = 0;
        stages.detect += performance.now() - start;
        return personRegion(toImage(place, ...best.hips), toImage(place, ...best.top));
      }
    }
    stages.detect += performance.now() - start;
    return null;
  }

  private async look(picture: Picture, region: Region, stages: Stages): Promise<Person | null> {
    const start = performance.now();
    sample(picture, region, LANDMARKS_SIZE, "border", 0, 1, this.large);
    const [values, presence, heatmap] = await this.networks.landmarks(this.large);
    const person = personOf(values, presence, heatmap, region);
    stages.landmarks += performance.now() - start;
    return person;
  }
}

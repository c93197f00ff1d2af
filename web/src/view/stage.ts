/** The 3D view: people on a floor, z up, with an orbiting camera. */

import * as THREE from "three";
import { OrbitControls } from "three/addons/controls/OrbitControls.js";

import type { Shown } from "../lifting/motion";
import { COUNT, EDGES, joint, SIDES } from "../lifting/skeleton";

// Metres.
const BONE_RADIUS = 0.026;
const JOINT_RADIUS = 0.042;
const HEAD_RADIUS = 0.1;
const HIP_M = 0.85;
const FLOOR_M = 24;
const SQUARE_M = 0.5;
const MOST_PEOPLE = 24;

const FOV_DEG = 35;
const DISTANCE_M = 3.7;
/** Directions of the views from the person; exactly above, up is undefined. */
const VIEWS = {
  half: [0.75, -1, 0.38],
  front: [0, -1, 0.06],
  side: [1, 0, 0.06],
  top: [0, -0.001, 1],
} as const;
export type ViewName = keyof typeof VIEWS;

const HEAD = joint("Head");
const TURN_RAD = Math.PI / 24;
/** The share of the distance to the person that the view moves per frame. */
const FOLLOWING = 0.15;
/** It jumps over larger distances: to another person, or the clip's start. */
const FAR_M = 0.8;

/** The joints and bones in a frame with the same appearance. */
class Look {
  private readonly joints: THREE.InstancedMesh;
  private readonly bones: THREE.InstancedMesh;

  constructor(scene: THREE.Scene, material: THREE.Material) {
    const make = (geometry: THREE.BufferGeometry, count: number) => {
      const mesh = new THREE.InstancedMesh(geometry, material, MOST_PEOPLE * count);
      mesh.frustumCulled = false; // Its bounds are not updated when it moves.
      scene.add(mesh);
      return mesh;
    };
    this.joints = make(new THREE.SphereGeometry(1, 16, 12), COUNT);
    this.bones = make(new THREE.CylinderGeometry(1, 1, 1, 10, 1, true), EDGES.length);
    this.clear();
  }

  clear(): void {
    this.joints.count = this.bones.count = 0;
  }

  add(kind: "joints" | "bones", matrix: THREE.Matrix4, colour: THREE.Color): void {
    const mesh = this[kind];
    mesh.setMatrixAt(mesh.count, matrix);
    mesh.setColorAt(mesh.count, colour);
    mesh.instanceMatrix.needsUpdate = mesh.instanceColor!.needsUpdate = true;
    mesh.count += 1;
  }
}

export class Stage {
  private readonly renderer: THREE.WebGLRenderer;
  private readonly scene = new THREE.Scene();
  private readonly camera = new THREE.PerspectiveCamera(FOV_DEG, 1, 0.05, 100);
  private readonly controls: OrbitControls;
  private readonly grid = floorLines();
  private readonly solid: Look;
  private readonly guessed: Look;
  private readonly shadows: Look;
  private readonly colours: Record<"left" | "right" | "middle", THREE.Color>;
  private readonly dark = new THREE.Color("#000000");
  private people: Shown[] = [];
  private asked = false;
  private readonly software: boolean;

  /** @throws If there is no WebGL. */
  constructor(private readonly canvas: HTMLCanvasElement) {
    // No antialiasing if the processor renders.
    this.software = drawsInSoftware();
    this.renderer = new THREE.WebGLRenderer({
      canvas,
      antialias: !this.software,
      alpha: true,
      stencil: true,
    });
    this.camera.up.set(0, 0, 1);
    this.controls = new OrbitControls(this.camera, canvas);
    this.controls.maxPolarAngle = 0.56 * Math.PI;
    this.controls.minDistance = 1;
    this.controls.maxDistance = 15;
    this.controls.addEventListener("change", () => this.ask());
    this.controls.addEventListener("start", () => mark(null));
    canvas.addEventListener("keydown", (event) => this.onKey(event));
    const lit = (options: object) => new THREE.MeshLambertMaterial(options);
    this.solid = new Look(this.scene, lit({}));
    this.guessed = new Look(this.scene, lit({ transparent: true, opacity: 0.35 }));
    this.shadows = new Look(
      this.scene,
      new THREE.MeshBasicMaterial({
        transparent: true,
        opacity: 0.25,
        // Overlapping shadows are not darker.
        stencilWrite: true,
        stencilRef: 1,
        stencilFunc: THREE.NotEqualStencilFunc,
        stencilZPass: THREE.ReplaceStencilOp,
      }),
    );
    const sky = new THREE.HemisphereLight("#ffffff", "#8b95a5", 2.4);
    sky.position.set(0, 0, 1);
    const sun = new THREE.DirectionalLight("#ffffff", 1.4);
    sun.position.set(1.5, -2, 4);
    this.scene.add(this.grid, sky, sun);
    this.colours = { left: new THREE.Color(), right: new THREE.Color(), middle: new THREE.Color() };
    new ResizeObserver(() => this.resize()).observe(canvas);
    this.controls.target.set(0, 0, HIP_M);
    this.look("half");
    this.theme();
  }

  /** Applies the colours of the page. */
  theme(): void {
    const style = getComputedStyle(this.canvas);
    for (const side of ["left", "right", "middle"] as const) {
      this.colours[side].set(style.getPropertyValue(`--${side}`).trim());
    }
    const paper = style.getPropertyValue("--room").trim();
    this.scene.fog = new THREE.Fog(paper, 4, 11);
    this.grid.material.color.set(style.getPropertyValue("--grid").trim());
    this.show(this.people);
  }

  /** Shows the person from a side. */
  look(view: ViewName): void {
    const away = new THREE.Vector3(...VIEWS[view]).normalize().multiplyScalar(DISTANCE_M);
    // A narrow panel requires a larger distance for the same width.
    away.multiplyScalar(Math.max(1, 0.75 / Math.max(this.camera.aspect, 0.3)));
    this.camera.position.copy(this.controls.target).add(away);
    this.controls.update();
    mark(view);
    this.ask();
  }

  /** Shows people and centres them immediately, when another clip begins. */
  begin(people: Shown[]): void {
    const step = middle(people)?.sub(this.controls.target);
    if (step) this.move(step);
    this.show(people);
  }

  show(people: Shown[]): void {
    this.people = people;
    for (const look of [this.solid, this.guessed, this.shadows]) look.clear();
    for (const shown of people.slice(0, MOST_PEOPLE)) this.put(shown);
    const step = middle(people)?.sub(this.controls.target);
    if (step) this.move(step.multiplyScalar(step.length() > FAR_M ? 1 : FOLLOWING));
    this.ask();
  }

  private move(step: THREE.Vector3): void {
    this.controls.target.add(step);
    this.camera.position.add(step);
    this.controls.update();
    // The floor seems endless: its lines follow the view by whole squares.
    const { x, y } = this.controls.target;
    this.grid.position.set(Math.round(x), Math.round(y), 0);
  }

  private put({ row, room }: Shown): void {
    const points = Array.from({ length: COUNT }, (_, j) => new THREE.Vector3().fromArray(room, 3 * j));
    const matrix = new THREE.Matrix4();
    const flat = new THREE.Matrix4();
    const flatten = new THREE.Matrix4().makeScale(1, 1, 0.001).setPosition(0, 0, 0.004);
    const add = (kind: "joints" | "bones", seen: boolean, colour: THREE.Color) => {
      (seen ? this.solid : this.guessed).add(kind, matrix, colour);
      this.shadows.add(kind, flat.multiplyMatrices(flatten, matrix), this.dark);
    };
    points.forEach((point, j) => {
      const radius = j === HEAD ? HEAD_RADIUS : JOINT_RADIUS;
      matrix.makeScale(radius, radius, j === HEAD ? 1.2 * radius : radius).setPosition(point);
      add("joints", row.seen[j]!, this.colours[SIDES[j]!]);
    });
    const turn = new THREE.Quaternion();
    const along = new THREE.Vector3(0, 1, 0);
    for (const [parent, child] of EDGES) {
      const bone = points[child]!.clone().sub(points[parent]!);
      const length = bone.length();
      if (length > 0) turn.setFromUnitVectors(along, bone.divideScalar(length));
      const centre = points[parent]!.clone().lerp(points[child]!, 0.5);
      matrix.compose(centre, turn, new THREE.Vector3(BONE_RADIUS, length, BONE_RADIUS));
      add("bones", row.seen[parent]! && row.seen[child]!, this.colours[SIDES[child]!]);
    }
  }

  private onKey(event: KeyboardEvent): void {
    const arm = this.camera.position.clone().sub(this.controls.target);
    const round = new THREE.Spherical().setFromVector3(new THREE.Vector3(arm.x, arm.z, -arm.y));
    switch (event.key) {
      case "ArrowLeft":
        round.theta -= TURN_RAD;
        break;
      case "ArrowRight":
        round.theta += TURN_RAD;
        break;
      case "ArrowUp":
        round.phi = Math.max(0.02, round.phi - TURN_RAD);
        break;
      case "ArrowDown":
        round.phi = Math.min(this.controls.maxPolarAngle, round.phi + TURN_RAD);
        break;
      case "+":
        round.radius = Math.max(this.controls.minDistance, round.radius / 1.1);
        break;
      case "-":
        round.radius = Math.min(this.controls.maxDistance, round.radius * 1.1);
        break;
      default:
        return;
    }
    event.preventDefault();
    event.stopPropagation();
    const turned = new THREE.Vector3().setFromSpherical(round);
    this.camera.position.copy(this.controls.target).add(new THREE.Vector3(turned.x, -turned.z, turned.y));
    this.controls.update();
    mark(null);
    this.ask();
  }

  private resize(): void {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    this.renderer.setPixelRatio(this.software ? 1 : Math.min(window.devicePixelRatio || 1, 2));
    this.renderer.setSize(width, height, false);
    this.camera.aspect = width / Math.max(height, 1);
    this.camera.updateProjectionMatrix();
    this.renderer.render(this.scene, this.camera);
  }

  /** Draws once before the next screen refresh. */
  private ask(): void {
    if (this.asked) return;
    this.asked = true;
    requestAnimationFrame(() => {
      this.asked = false;
      this.renderer.render(this.scene, this.camera);
    });
  }
}

/** Marks the button of the current view. */
function mark(view: ViewName | null): void {
  for (const button of document.querySelectorAll<HTMLElement>("[data-view]")) {
    button.setAttribute("aria-pressed", String(button.dataset.view === view));
  }
}

/** Returns the stage of a panel, or shows a message there without WebGL. */
export function stageIn(room: HTMLElement): Stage | null {
  try {
    return new Stage(room.querySelector("canvas")!);
  } catch {
    const note = document.createElement("p");
    note.className = "broken";
    note.textContent = "The 3D view requires WebGL, which this browser does not support. You can still record.";
    room.append(note);
    return null;
  }
}

/** Returns the centre of all people, at the height of a hip. */
function middle(people: Shown[]): THREE.Vector3 | null {
  if (people.length === 0) return null;
  const box = new THREE.Box3();
  for (const { room } of people) box.expandByPoint(new THREE.Vector3(room[0], room[1], HIP_M));
  return box.getCenter(new THREE.Vector3()).setZ(HIP_M);
}

/** Returns a grid of short lines, because long ones may vanish behind the camera. */
function floorLines(): THREE.LineSegments<THREE.BufferGeometry, THREE.LineBasicMaterial> {
  const half = FLOOR_M / 2;
  const points: number[] = [];
  for (let across = -half; across <= half; across += SQUARE_M) {
    for (let along = -half; along < half; along += SQUARE_M) {
      points.push(across, along, 0, across, along + SQUARE_M, 0);
      points.push(along, across, 0, along + SQUARE_M, across, 0);
    }
  }
  const geometry = new THREE.BufferGeometry();
  geometry.setAttribute("position", new THREE.Float32BufferAttribute(points, 3));
  return new THREE.LineSegments(geometry, new THREE.LineBasicMaterial());
}

function drawsInSoftware(): boolean {
  const context = document.createElement("canvas").getContext("webgl2");
  const info = context?.getExtension("WEBGL_debug_renderer_info");
  const name = info ? String(context!.getParameter(info.UNMASKED_RENDERER_WEBGL)) : "";
  context?.getExtension("WEBGL_lose_context")?.loseContext();
  return /swiftshader|llvmpipe|software/i.test(name);
}

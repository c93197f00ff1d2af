"use strict";

// Metres.
const BONE_RADIUS = 0.022;
const JOINT_RADIUS = 0.036;
const HIP_M = 0.9;
// The view is fixed if people stay within this distance.
const STANDING_M = 5;

const FOV_DEG = 35;
// Size of the picture relative to its content.
const LOOSE = 1.15;
// Directions of the views from the middle; not exactly above, where the up
// direction would be undefined.
const SIDES = {
  half: [0.72, -1, 0.32],
  camera: [0, -1, 0.05],
  right: [1, 0, 0.05],
  top: [0, -0.001, 1],
};

/** The joints and bones of a frame that share one material. */
class Look {
  constructor(scene, people, joints, edges, options) {
    const material = new THREE.MeshStandardMaterial({ roughness: 0.55, ...options });
    const make = (geometry, count) => {
      const mesh = new THREE.InstancedMesh(geometry, material, people * count);
      mesh.frustumCulled = false; // The bounds are not updated.
      mesh.castShadow = !options.transparent;
      scene.add(mesh);
      return mesh;
    };
    this.joints = make(new THREE.SphereGeometry(1, 16, 12), joints);
    this.bones = make(new THREE.CylinderGeometry(1, 1, 1, 12, 1, true), edges);
    this.clear();
  }

  clear() {
    this.joints.count = this.bones.count = 0;
  }

  add(mesh, matrix, colour) {
    mesh.setMatrixAt(mesh.count, matrix);
    mesh.setColorAt(mesh.count, colour);
    mesh.instanceMatrix.needsUpdate = mesh.instanceColor.needsUpdate = true;
    mesh.count += 1;
  }
}

/** The 3D panel: people on a floor, z up, and an orbiting camera. */
class Stage {
  constructor(section, motion, onChange) {
    this.section = section;
    this.motion = motion;
    this.canvas = section.querySelector("canvas");
    this.renderer = new THREE.WebGLRenderer({ canvas: this.canvas, antialias: true, alpha: true });
    this.renderer.shadowMap.enabled = true;
    this.scene = new THREE.Scene();
    this.camera = new THREE.PerspectiveCamera(FOV_DEG, 1, 0.05, 500);
    this.camera.up.set(0, 0, 1);
    this.controls = new THREE.OrbitControls(this.camera, this.canvas);
    this.controls.maxPolarAngle = 0.56 * Math.PI;
    this.controls.addEventListener("change", onChange);
    const [people, joints, edges] = [motion.people.length, motion.joints.length, motion.edges.length];
    this.looks = [
      new Look(this.scene, people, joints, edges, {}),
      new Look(this.scene, people, joints, edges, { transparent: true, opacity: 0.4 }),
    ];
    this.marker = new THREE.Mesh(
      new THREE.SphereGeometry(1.7 * JOINT_RADIUS, 20, 14),
      new THREE.MeshBasicMaterial({ color: "#ffd43b", transparent: true, opacity: 0.75 }),
    );
    this.scene.add(this.marker);
    this.colours = new Map();
    this.measure();
    this.build();
  }

  /** Measures the bounds of people, overall and around each frame's middle. */
  measure() {
    this.all = new THREE.Box3();
    this.about = new THREE.Box3();
    for (let index = 0; index < this.motion.count; index += 1) {
      const box = new THREE.Box3();
      for (const [person, row] of this.motion.present(index)) {
        for (let j = 0; j < this.motion.joints.length; j += 1) {
          box.expandByPoint(new THREE.Vector3(...this.motion.joint(person, row, j)));
        }
      }
      if (box.isEmpty()) continue;
      this.all.union(box);
      this.about.union(box.translate(this.gathering(index).negate()));
    }
    // Includes the floor.
    this.all.expandByPoint(this.all.min.clone().setZ(0));
    const size = this.all.getSize(new THREE.Vector3());
    this.following = Math.max(size.x, size.y) > STANDING_M;
  }

  build() {
    const size = this.all.getSize(new THREE.Vector3());
    const middle = this.all.getCenter(new THREE.Vector3());
    const wide = 2 * Math.ceil(Math.max(size.x, size.y) / 2 + 1.5);
    this.floor = new THREE.Group();
    this.floor.position.set(Math.round(middle.x), Math.round(middle.y), 0);
    this.grid = new THREE.GridHelper(wide, Math.min(2 * wide, 400));
    this.grid.material.vertexColors = false;
    this.grid.rotation.x = Math.PI / 2;
    this.ground = new THREE.Mesh(new THREE.PlaneGeometry(wide, wide), new THREE.ShadowMaterial());
    this.ground.receiveShadow = true;
    this.ground.position.z = -0.002;
    this.floor.add(this.grid, this.ground);
    const sky = new THREE.HemisphereLight("#ffffff", "#b9c0c8", 2.6);
    sky.position.set(0, 0, 1);
    this.scene.add(this.floor, sky);
    this.sun = new THREE.DirectionalLight("#ffffff", 1.6);
    this.sun.castShadow = true;
    this.sun.shadow.mapSize.set(2048, 2048);
    this.sun.shadow.radius = 4;
    const lit = this.all.getSize(new THREE.Vector3()).length() / 2 + 1;
    Object.assign(this.sun.shadow.camera, { left: -lit, right: lit, top: lit, bottom: -lit, far: 40 });
    this.scene.add(this.sun, this.sun.target);
    if (this.motion.placed) this.scene.add(this.filmedFrom());
    this.theme();
  }

  /** A pyramid at the camera's position, with its tip at the lens. */
  filmedFrom() {
    const cone = new THREE.ConeGeometry(0.16, 0.24, 4);
    cone.translate(0, -0.12, 0);
    const edges = new THREE.LineSegments(new THREE.EdgesGeometry(cone), new THREE.LineBasicMaterial());
    edges.position.fromArray(this.motion.camera);
    const back = new THREE.Vector3().fromArray(this.motion.camera_axis).negate();
    edges.quaternion.setFromUnitVectors(new THREE.Vector3(0, 1, 0), back);
    this.pyramid = edges;
    return edges;
  }

  theme() {
    const style = getComputedStyle(document.documentElement);
    this.grid.material.color.set(style.getPropertyValue("--grid").trim());
    this.ground.material.opacity = Number(style.getPropertyValue("--shadow"));
    if (this.pyramid) this.pyramid.material.color.set(style.getPropertyValue("--faint").trim());
  }

  /** The middle of the people in a frame, at hip height; null if none. */
  gathering(index) {
    const box = new THREE.Box3();
    for (const [person, row] of this.motion.present(index)) {
      box.expandByPoint(new THREE.Vector3(...this.motion.joint(person, row, 0)));
    }
    return box.isEmpty() ? null : box.getCenter(new THREE.Vector3()).setZ(HIP_M);
  }

  /** The point to look at. */
  middle(index) {
    if (!this.following) return this.all.getCenter(new THREE.Vector3());
    return this.gathering(index) || this.controls.target.clone();
  }

  /** Moves the camera to a side, so that everything is visible. */
  look(side, index) {
    const { camera } = this;
    const target = this.middle(index);
    const box = this.following ? this.about : this.all.clone().translate(target.clone().negate());
    const away = new THREE.Vector3().fromArray(SIDES[side]).normalize();
    // Measures the corners from 1 m away, then moves back until all fit.
    camera.position.copy(away);
    camera.lookAt(0, 0, 0);
    camera.updateMatrixWorld();
    const high = Math.tan((FOV_DEG / 2) * (Math.PI / 180)) / LOOSE;
    let distance = 1;
    for (let corner = 0; corner < 8; corner += 1) {
      const { x, y, z } = new THREE.Vector3(
        ...["x", "y", "z"].map((axis, bit) => (corner & (1 << bit) ? box.max : box.min)[axis]),
      ).applyMatrix4(camera.matrixWorldInverse);
      const back = Math.max(Math.abs(x) / (high * camera.aspect), Math.abs(y) / high);
      distance = Math.max(distance, back + z + 1);
    }
    this.controls.target.copy(target);
    camera.position.copy(away).multiplyScalar(distance).add(target);
    this.controls.update();
  }

  resize() {
    const { clientWidth: width, clientHeight: height } = this.section;
    this.renderer.setPixelRatio(Math.min(window.devicePixelRatio || 1, 2));
    this.renderer.setSize(width, height, false);
    this.camera.aspect = width / Math.max(height, 1);
    this.camera.updateProjectionMatrix();
  }

  show(index, marked) {
    for (const look of this.looks) look.clear();
    this.marker.visible = false;
    for (const [person, row] of this.motion.present(index)) this.put(person, row, marked);
    const target = this.middle(index);
    if (this.following) {
      // Smoothly: an eighth of the way in each frame.
      const step = target.clone().sub(this.controls.target).multiplyScalar(0.125);
      this.controls.target.add(step);
      this.camera.position.add(step);
    }
    this.sun.target.position.copy(target);
    this.sun.position.copy(target).add(new THREE.Vector3(1.5, -2, 6));
  }

  put(person, row, marked) {
    const { motion } = this;
    const seen = motion.joints.map((_, j) => motion.seen(person, row, j));
    const points = motion.joints.map((_, j) => new THREE.Vector3(...motion.joint(person, row, j)));
    const matrix = new THREE.Matrix4();
    const turn = new THREE.Quaternion();
    const along = new THREE.Vector3(0, 1, 0);
    points.forEach((point, j) => {
      matrix.makeScale(JOINT_RADIUS, JOINT_RADIUS, JOINT_RADIUS).setPosition(point);
      const look = this.looks[seen[j] ? 0 : 1];
      look.add(look.joints, matrix, this.colour(motion.joint_colours[j]));
    });
    motion.edges.forEach(([parent, child], e) => {
      const bone = points[child].clone().sub(points[parent]);
      const length = bone.length();
      if (length > 0) turn.setFromUnitVectors(along, bone.divideScalar(length));
      const middle = points[parent].clone().lerp(points[child], 0.5);
      matrix.compose(middle, turn, new THREE.Vector3(BONE_RADIUS, length, BONE_RADIUS));
      const look = this.looks[seen[parent] && seen[child] ? 0 : 1];
      look.add(look.bones, matrix, this.colour(person.bone_colours[e]));
    });
    if (marked && marked.person === person) {
      this.marker.visible = true;
      this.marker.position.copy(points[marked.joint]);
    }
  }

  colour(name) {
    if (!this.colours.has(name)) this.colours.set(name, new THREE.Color(name));
    return this.colours.get(name);
  }

  render() {
    this.renderer.render(this.scene, this.camera);
  }

  /** A joint's [x, y] in the panel. */
  onScreen(person, row, j) {
    const point = new THREE.Vector3(...this.motion.joint(person, row, j)).project(this.camera);
    if (point.z > 1) return [NaN, NaN];
    return [
      ((point.x + 1) / 2) * this.section.clientWidth,
      ((1 - point.y) / 2) * this.section.clientHeight,
    ];
  }
}

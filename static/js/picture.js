// The learner's own cluster, drawn as the course's diagrams are: a heptagon is the control plane, hexagons are nodes,
// circles are pods with a cube for each container image, dotted lines lead from a service to the pods it reaches.
// Everything drawn comes out of a sandbox: it is put in with textContent, cut to length, and counted.

import { text } from "quayside/text";

const SVG = "http://www.w3.org/2000/svg";
const LIMITS = { nodes: 12, pods: 200, services: 12, deployments: 12 };
const CELL = { width: 62, height: 70 };
const VERSIONS = 5;
const FAILING = /BackOff|^Err|Error|Failed|Invalid|OOMKilled|Evicted/;

function draw(name, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

const cut = (value, length) => {
  const words = String(value ?? "");
  return words.length > length ? words.slice(0, length - 1) + "…" : words;
};
const list = (value, limit) => (Array.isArray(value) ? value.slice(0, limit) : []);
const polygon = (points) => points.map((point) => point.join(",")).join(" ");

function heptagon(centreX, centreY, radius) {
  return polygon(
    [...Array(7).keys()].map((corner) => {
      const angle = (corner * 2 * Math.PI) / 7 - Math.PI / 2;
      return [centreX + radius * Math.cos(angle), centreY + radius * Math.sin(angle)].map((value) => value.toFixed(1));
    }),
  );
}

function hexagon(x, y, width, height) {
  const slant = Math.min(22, width / 8);
  const middle = y + height / 2;
  return polygon([
    [x + slant, y],
    [x + width - slant, y],
    [x + width, middle],
    [x + width - slant, y + height],
    [x + slant, y + height],
    [x, middle],
  ]);
}

/** A cube seen from a corner, `size` from its centre to each corner, with its centre at 0, 0. */
function cube(version, size) {
  const half = size / 2;
  const side = size * 0.866;
  const face = (shade, points) => draw("polygon", { class: `cube-${shade}`, points: polygon(points) });
  return draw(
    "g",
    { class: `cube version-${version}` },
    face("top", [[0, -size], [side, -half], [0, 0], [-side, -half]]),
    face("left", [[-side, -half], [0, 0], [0, size], [-side, half]]),
    face("right", [[side, -half], [0, 0], [0, size], [side, half]]),
  );
}

export class ClusterPicture {
  constructor(element) {
    this.element = element;
    this.state = "absent";
    this.picture = { nodes: [], pods: [], services: [], deployments: [] };
    this.drawnPods = new Map();
    this.versions = new Map();
    this.back = draw("g");
    this.links = draw("g", { class: "picture-links" });
    this.front = draw("g");
    this.svg = draw("svg", { class: "picture-drawing", role: "img" }, this.back, this.links, this.front);
    this.notice = Object.assign(document.createElement("p"), { className: "picture-notice" });
    this.table = Object.assign(document.createElement("div"), { className: "visually-hidden" });
    element.replaceChildren(this.svg, this.notice, this.table);
    new ResizeObserver(() => this.render()).observe(element);
    this.render();
  }

  /** The cluster is absent, starting, running or stopped. */
  cluster(state) {
    this.state = state;
    if (state === "absent") this.versions.clear();
    this.render();
  }

  /** A `picture` event. */
  update(event) {
    const own = (thing) => !/^kube-/.test(thing?.namespace ?? "");
    this.picture = {
      nodes: list(event.nodes, LIMITS.nodes),
      pods: list(event.pods, LIMITS.pods).filter(own),
      services: list(event.services, 100).filter((one) => own(one) && one.name !== "kubernetes").slice(0, LIMITS.services),
      deployments: list(event.deployments, 100).filter(own).slice(0, LIMITS.deployments),
    };
    if (this.picture.nodes.length && this.state === "absent") this.state = "running";
    this.render();
  }

  version(pod) {
    const image = String(list(pod.images, 1)[0] ?? "");
    if (!this.versions.has(image)) this.versions.set(image, this.versions.size % VERSIONS);
    return this.versions.get(image);
  }

  render() {
    const width = Math.max(300, this.element.clientWidth);
    const live = this.state === "running" || (this.state === "starting" && this.picture.nodes.length > 0);
    this.svg.style.display = live ? "" : "none";
    this.notice.hidden = live;
    this.notice.textContent = live ? "" : text(`cluster-${this.state}`);
    if (!live) {
      for (const pod of this.drawnPods.values()) pod.group.remove();
      this.drawnPods.clear();
      this.table.replaceChildren();
      return;
    }
    const places = this.layOut(width);
    this.svg.setAttribute("viewBox", `0 0 ${width} ${places.height}`);
    this.svg.setAttribute("height", places.height);
    this.svg.setAttribute("aria-label", this.summary());
    this.drawBack(places);
    this.drawPods(places);
    this.drawLinks(places);
    this.describe();
  }

  // -- where things stand -------------------------------------------------------------------------------------------

  layOut(width) {
    const left = width >= 520 ? 170 : 0;
    const services = this.placeServices(left, width);
    const top = services.length ? services.at(-1).y + 62 : 8;
    const { nodes, pods, bottom } = this.placeNodes(left, width, top);
    const listed = Math.min(this.picture.deployments.length, 4);
    return { width, left, top, services, nodes, pods, height: Math.max(bottom, left ? top + 104 + listed * 34 : 0) + 6 };
  }

  placeServices(left, width) {
    let x = left + 8;
    let y = 6;
    return this.picture.services.map((service) => {
      const port = list(service.ports, 1)[0];
      const label = cut(service.name, 28);
      const detail = cut([service.type, portText(port)].filter(Boolean).join(" · "), 34);
      const wide = Math.max(label.length * 7.4, detail.length * 6.2) + 30;
      if (x + wide > width - 8 && x > left + 8) [x, y] = [left + 8, y + 46];
      const place = { service, label, detail, x, y, width: wide };
      x += wide + 10;
      return place;
    });
  }

  placeNodes(left, width, top) {
    const known = new Set(this.picture.nodes.map((node) => node.name));
    const homes = this.picture.nodes.map((node) => ({ node, pods: this.picture.pods.filter((pod) => pod.node === node.name) }));
    const homeless = this.picture.pods.filter((pod) => !known.has(pod.node));
    if (homeless.length) homes.push({ node: null, pods: homeless });
    const columns = Math.max(1, Math.min(homes.length, Math.floor((width - left) / 190)));
    const wide = Math.min(520, (width - left - 8 - (columns - 1) * 10) / columns);
    const perRow = Math.max(1, Math.floor((wide - 52) / CELL.width));
    const nodes = [];
    const pods = new Map();
    let y = top;
    for (let start = 0; start < homes.length; start += columns) {
      const row = homes.slice(start, start + columns);
      const rows = Math.max(1, ...row.map((home) => Math.ceil(home.pods.length / perRow)));
      const tall = rows * CELL.height + 34;
      row.forEach((home, column) => {
        const x = left + 4 + column * (wide + 10);
        nodes.push({ ...home, x, y, width: wide, height: tall });
        home.pods.forEach((pod, place) => {
          const inRow = Math.min(perRow, home.pods.length - Math.floor(place / perRow) * perRow);
          const first = x + wide / 2 - ((inRow - 1) * CELL.width) / 2;
          pods.set(key(pod), {
            pod,
            x: first + (place % perRow) * CELL.width,
            y: y + 34 + Math.floor(place / perRow) * CELL.height,
          });
        });
      });
      y += tall + 10;
    }
    return { nodes, pods, bottom: y };
  }

  // -- drawing ------------------------------------------------------------------------------------------------------

  drawBack({ left, top, nodes, services }) {
    const parts = nodes.map(({ node, x, y, width, height }) => {
      const broken = node !== null && !node.ready;
      const shape = node
        ? draw("polygon", { points: hexagon(x, y, width, height), class: `node-shape${broken ? " broken" : ""}` })
        : draw("rect", { x, y, width, height, rx: 14, class: "unscheduled" });
      const label = draw("text", { x: x + width / 2, y: y + height - 10, class: "node-label" });
      label.textContent = node ? cut(node.name, 40) + (broken ? " · NotReady" : "") : text("not-scheduled");
      return draw("g", {}, shape, label);
    });
    if (left) parts.push(this.controlPlane(top));
    for (const place of services) parts.push(this.serviceChip(place));
    this.back.replaceChildren(...parts);
  }

  controlPlane(top) {
    const centre = 80;
    const name = draw("text", { x: centre, y: top + 92, class: "plane-label" });
    name.textContent = text("control-plane");
    const wheel = draw("g", { class: "plane-wheel" });
    for (let spoke = 0; spoke < 7; spoke += 1) {
      const angle = (spoke * 2 * Math.PI) / 7 - Math.PI / 2;
      const [dx, dy] = [Math.cos(angle), Math.sin(angle)];
      const [x, y] = [centre, top + 40];
      wheel.append(draw("line", { x1: x + dx * 5, y1: y + dy * 5, x2: x + dx * 20, y2: y + dy * 20 }));
    }
    wheel.append(draw("circle", { cx: centre, cy: top + 40, r: 13 }), draw("circle", { cx: centre, cy: top + 40, r: 4 }));
    const deployments = this.picture.deployments.slice(0, 4).map((deployment, row) => {
      const y = top + 102 + row * 34;
      const title = draw("title");
      title.textContent = `Deployment ${cut(deployment.name, 80)}`;
      const label = draw("text", { x: 36, y: y + 12, class: "deployment-label" });
      label.textContent = cut(deployment.name, 20);
      const count = draw("text", { x: 36, y: y + 25, class: "deployment-count" });
      count.textContent = `${Number(deployment.ready) || 0}/${Number(deployment.wanted) || 0}`;
      const letter = draw("text", { x: 19, y: y + 19, class: "badge-letter" });
      letter.textContent = "D";
      return draw("g", {}, title, draw("circle", { cx: 19, cy: y + 14, r: 12, class: "badge" }), letter, label, count);
    });
    return draw("g", {}, draw("polygon", { points: heptagon(centre, top + 40, 36), class: "plane-shape" }), wheel, name, ...deployments);
  }

  serviceChip({ service, label, detail, x, y, width }) {
    const title = draw("title");
    title.textContent = `Service ${cut(service.name, 80)} ${cut(service.ip, 60)}`;
    const name = draw("text", { x: x + width / 2, y: y + 15, class: "service-label" });
    name.textContent = label;
    const more = draw("text", { x: x + width / 2, y: y + 29, class: "service-detail" });
    more.textContent = detail;
    return draw("g", {}, title, draw("rect", { x, y, width, height: 36, rx: 18, class: "service-shape" }), name, more);
  }

  drawPods({ pods }) {
    for (const [name, place] of pods) {
      const known = this.drawnPods.get(name);
      const look = this.look(place.pod);
      if (known?.look === look) {
        known.group.style.transform = `translate(${place.x}px, ${place.y}px)`;
        continue;
      }
      const group = this.podGroup(place.pod);
      group.style.transform = `translate(${place.x}px, ${place.y}px)`;
      if (known) known.group.replaceWith(group);
      else {
        group.classList.add("appearing");
        this.front.append(group);
      }
      this.drawnPods.set(name, { group, look });
    }
    for (const [name, { group }] of this.drawnPods) {
      if (pods.has(name)) continue;
      this.drawnPods.delete(name);
      group.classList.add("vanishing");
      setTimeout(() => group.remove(), 450);
    }
  }

  /** Everything that decides how a pod looks: while it stays the same, the drawing only moves. */
  look(pod) {
    return JSON.stringify([this.mood(pod), this.version(pod), pod.ip, pod.reason, pod.phase, list(pod.images, 3).length]);
  }

  mood(pod) {
    if (pod.deleting) return "dying";
    if (pod.phase === "Failed" || FAILING.test(pod.reason ?? "")) return "failing";
    if (pod.phase === "Succeeded") return "finished";
    return pod.ready ? "ready" : "waiting";
  }

  podGroup(pod) {
    const mood = this.mood(pod);
    const title = draw("title");
    title.textContent = [pod.name, podStatus(pod), pod.ip, ...list(pod.images, 3)].filter(Boolean).map((one) => cut(one, 120)).join("\n");
    const images = list(pod.images, 3);
    const cubes = images.map((_image, place) => {
      const one = cube(this.version(pod), images.length > 1 ? 8 : 12);
      one.setAttribute("transform", `translate(${(place - (images.length - 1) / 2) * 15} 0)`);
      return one;
    });
    const label = draw("text", { y: 36, class: "pod-label" });
    label.textContent = mood === "failing" ? cut(pod.reason || pod.phase, 13) : cut(pod.ip || shortName(pod.name), 15);
    const body = draw("g", { class: "pod-body" }, draw("circle", { r: 22, class: "pod-shape" }), ...cubes, label);
    return draw("g", { class: `pod ${mood}` }, title, body);
  }

  drawLinks({ services, pods }) {
    const links = [];
    for (const { service, x, y, width } of services) {
      for (const name of list(service.endpoints, LIMITS.pods)) {
        const place = pods.get(`${service.namespace}/${name}`);
        if (!place) continue;
        const [fromX, fromY, toY] = [x + width / 2, y + 36, place.y - 23];
        const bend = Math.max(14, (toY - fromY) / 2);
        links.push(draw("path", { d: `M${fromX} ${fromY}C${fromX} ${fromY + bend} ${place.x} ${toY - bend} ${place.x} ${toY}` }));
      }
    }
    this.links.replaceChildren(...links);
  }

  // -- in words -----------------------------------------------------------------------------------------------------

  summary() {
    const { nodes, pods, services } = this.picture;
    return text("picture-summary", { nodes: nodes.length, pods: pods.length, services: services.length });
  }

  describe() {
    const items = this.picture.pods.map((pod) => {
      const item = document.createElement("li");
      item.textContent = [pod.name, podStatus(pod), pod.node, pod.ip].filter(Boolean).map((one) => cut(one, 120)).join(", ");
      return item;
    });
    const names = document.createElement("ul");
    names.append(...items);
    this.table.replaceChildren(names);
  }
}

const key = (pod) => `${pod.namespace}/${pod.name}`;
const shortName = (name) => String(name ?? "").split("-").at(-1);
const podStatus = (pod) => (pod.deleting ? "Terminating" : pod.reason || pod.phase);

function portText(port) {
  if (port === null || port === undefined) return "";
  if (typeof port !== "object") return String(port);
  return port.nodePort ? `${port.port}:${port.nodePort}` : String(port.port ?? "");
}

// The learner's attempt as the site knows it: started, watched and ended through here. Level-triggered: whatever tells
// of a change (an answer, an event, a poll) ends in `take`, and listeners draw what is true now.

import { get, post } from "quayside/http";
import { CLOSE, Socket } from "quayside/socket";

const POLL = { busy: 1000, idle: 10_000 };
/** A page that attaches again replaces its older attachment; crypto.randomUUID does not exist on plain HTTP. */
export const PAGE_ID = [...crypto.getRandomValues(new Uint8Array(8))].map((byte) => byte.toString(36)).join("");

export class Attempt extends EventTarget {
  constructor(addresses, state) {
    super();
    this.addresses = addresses;
    this.state = state;
    this.setClock(state);
    this.stepShown = "";
    this.connection = "closed";
    this.socket = null;
  }

  get sandbox() {
    return this.state?.sandbox ?? null;
  }

  get ready() {
    return this.sandbox?.state === "ready";
  }

  address(name, values = {}) {
    const pattern = this.addresses.attempt[name];
    return Object.entries({ attempt: this.state.attempt, ...values }).reduce(
      (address, [key, value]) => address.replace(`{${key}}`, encodeURIComponent(value)),
      pattern,
    );
  }

  emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  // -- what the learner does ----------------------------------------------------------------------------------------

  async start(fields = {}) {
    this.take(await post(this.addresses.start, fields, 60_000));
  }

  async reset(step) {
    this.take(await post(this.address("reset"), step ? { step } : {}, 60_000));
  }

  async end() {
    this.take(await post(this.address("end")));
  }

  async extend() {
    this.take(await post(this.address("extend")));
  }

  check(step) {
    return post(this.address("check"), { step }, 60_000);
  }

  answer(step) {
    return post(this.address("answer"), { step });
  }

  /** The learner looks at a step; "" is the last page. */
  async look(step) {
    this.stepShown = step;
    this.emit("look", { step });
    if (!this.state) return;
    if (this.socket?.ready) this.socket.sendObject({ type: "step", step });
    else this.take(await post(this.address("step"), { step }));
  }

  // -- how the page hears of it -------------------------------------------------------------------------------------

  take(state) {
    const attempt = this.state?.attempt;
    if (state.now !== this.state?.now) this.setClock(state);
    this.state = state;
    if (state.attempt !== attempt || !this.socket) this.listen();
    this.emit("state", state);
    this.schedulePoll();
  }

  /** The learner's clock may be wrong: times of the site are counted from the site's, as of when it said `now`. */
  setClock(state) {
    this.skew = state?.now ? Date.parse(state.now) - Date.now() : 0;
  }

  listen() {
    this.socket?.close();
    if (!this.state) return;
    this.socket = new Socket({
      path: this.address("events"),
      ticketPath: this.address("ticket"),
      greeting: () => ({ language: document.documentElement.lang, step: this.stepShown }),
      onMessage: (message) => this.told(message),
      onState: (connection, code) => this.connected(connection, code),
    });
    this.socket.open();
  }

  connected(connection, code) {
    this.connection = connection;
    this.emit("connection", { connection, code });
    if (code === CLOSE.forbidden) this.emit("left", {});
    this.schedulePoll();
  }

  told(message) {
    if (message.number) this.socket.sendObject({ type: "ack", number: message.number });
    if (message.type === "admitted") this.take(message.state);
    else if (message.type === "sandbox") this.take({ ...this.state, sandbox: message.sandbox });
    else if (message.type === "passed") {
      this.take({ ...this.state, passed: message.passed, finished: message.finished });
      this.emit("passed", message);
    } else this.emit(message.type, message);
  }

  /** Where WebSockets do not get through, the page still starts, ticks and warns: by asking. */
  schedulePoll() {
    clearTimeout(this.pollTimer);
    if (!this.state || this.connection === "open" || this.sandbox === null) return;
    const busy = ["requested", "starting"].includes(this.sandbox.state);
    this.pollTimer = setTimeout(() => this.poll(), busy ? POLL.busy : POLL.idle);
  }

  async poll() {
    try {
      this.take(await get(this.address("state")));
    } catch (error) {
      if (error.status === 404) this.emit("left", {});
      else this.schedulePoll();
    }
  }
}

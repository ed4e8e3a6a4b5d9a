// A WebSocket to the site that comes back by itself: hello, ticket, then whatever its owner does with it.
// The protocol is docs/protocol.md; the ticket travels as the first frame, never in the address.

import { post } from "quayside/http";

const PROTOCOL = 1;
const BACKOFF = [500, 1000, 2000, 5000];
const PING_EVERY = 20_000;
const PONG_WITHIN = 10_000;
const HELLO_WITHIN = 10_000;

/** Close codes of ours after which trying again by itself is pointless. */
export const CLOSE = { ended: 4000, expired: 4001, replaced: 4002, forbidden: 4003, protocol: 4400 };
const FINAL = new Set(Object.values(CLOSE));

function webSocketAddress(path) {
  const address = new URL(path, location.href);
  address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  return address.href;
}

export class Socket {
  /**
   * `greeting()` gives fields to send beside the ticket; `onMessage(object)`, `onBytes(Uint8Array)` and
   * `onState(state, code)` report; state is connecting, open, waiting, unreachable or closed.
   */
  constructor({ path, ticketPath, greeting, onMessage, onBytes, onState }) {
    Object.assign(this, { path, ticketPath, greeting, onMessage, onBytes, onState });
    this.failures = 0;
    this.everOpened = false;
    this.closed = true;
    this.hurry = () => this.retryNow();
    this.wake = () => document.visibilityState === "visible" && this.retryNow();
  }

  open() {
    if (!this.closed) return;
    this.closed = false;
    addEventListener("online", this.hurry);
    document.addEventListener("visibilitychange", this.wake);
    this.connect();
  }

  /** Close for good, until `open` is called again. */
  close() {
    this.closed = true;
    removeEventListener("online", this.hurry);
    document.removeEventListener("visibilitychange", this.wake);
    this.drop();
    this.onState("closed", 0);
  }

  get ready() {
    return this.admitted && this.socket?.readyState === WebSocket.OPEN;
  }

  sendObject(message) {
    if (this.ready) this.socket.send(JSON.stringify(message));
  }

  sendBytes(bytes) {
    if (this.ready) this.socket.send(bytes);
  }

  retryNow() {
    if (this.closed || !this.retryTimer) return;
    clearTimeout(this.retryTimer);
    this.retryTimer = 0;
    this.connect();
  }

  drop() {
    for (const timer of ["retryTimer", "pingTimer", "pongTimer", "helloTimer"]) {
      clearTimeout(this[timer]);
      this[timer] = 0;
    }
    this.admitted = false;
    const socket = this.socket;
    this.socket = null;
    if (socket) {
      socket.onmessage = socket.onclose = socket.onopen = null;
      socket.close();
    }
  }

  async connect() {
    this.drop();
    this.onState("connecting", 0);
    let ticket;
    try {
      ({ ticket } = await post(this.ticketPath));
    } catch (error) {
      if (this.closed) return;
      if (error.status === 404 || error.status === 403) return this.finish(CLOSE.forbidden);
      if (error.status === 409 || error.status === 410) return this.finish(CLOSE.expired);
      return this.retryLater();
    }
    if (this.closed) return;
    const socket = (this.socket = new WebSocket(webSocketAddress(this.path)));
    socket.binaryType = "arraybuffer";
    socket.onmessage = (event) => this.receive(event.data, ticket);
    socket.onclose = (event) => this.lost(event.code);
    // A proxy that swallows WebSockets leaves the connection hanging.
    this.helloTimer = setTimeout(() => this.lost(1006), HELLO_WITHIN);
  }

  receive(data, ticket) {
    if (data instanceof ArrayBuffer) return this.onBytes?.(new Uint8Array(data));
    const message = JSON.parse(data);
    if (message.type === "hello") {
      clearTimeout(this.helloTimer);
      if (message.protocol !== PROTOCOL) return this.finish(CLOSE.protocol);
      this.admitted = true;
      this.sendObject({ type: "ticket", ticket, ...this.greeting() });
      return;
    }
    if (message.type === "pong") {
      clearTimeout(this.pongTimer);
      return;
    }
    if (message.type === "attached" || message.type === "admitted") {
      this.failures = 0;
      this.everOpened = true;
      this.ping();
      this.onState("open", 0);
    }
    this.onMessage(message);
  }

  ping() {
    clearTimeout(this.pingTimer);
    this.pingTimer = setTimeout(() => {
      this.sendObject({ type: "ping" });
      this.pongTimer = setTimeout(() => this.lost(1006), PONG_WITHIN);
      this.ping();
    }, PING_EVERY);
  }

  lost(code) {
    if (this.closed) return;
    if (FINAL.has(code)) return this.finish(code);
    this.retryLater();
  }

  retryLater() {
    this.drop();
    const wait = BACKOFF[Math.min(this.failures, BACKOFF.length - 1)] * (0.8 + Math.random() * 0.4);
    this.failures += 1;
    this.onState(!this.everOpened && this.failures >= 3 ? "unreachable" : "waiting", 0);
    this.retryTimer = setTimeout(() => {
      this.retryTimer = 0;
      this.connect();
    }, wait);
  }

  finish(code) {
    this.closed = true;
    removeEventListener("online", this.hurry);
    document.removeEventListener("visibilitychange", this.wake);
    this.drop();
    this.onState("closed", code);
  }
}

// One terminal: xterm.js on one side, the socket on the other, and the count of bytes that keeps them honest.
//
// Offsets are absolute: the number of bytes the terminal has printed since it was opened. `received` says up to where
// xterm has been given everything (where to go on after a cut), `drawn` up to where it has drawn them (what the server
// may forget about). Nothing is lost and nothing comes twice as long as only these two are ever told to the server.

import { Terminal } from "xterm";
import { FitAddon } from "xterm-fit";
import { SearchAddon } from "xterm-search";
import { Unicode11Addon } from "xterm-unicode11";
import { WebLinksAddon } from "xterm-web-links";

import { copyText } from "quayside/copy";
import { HangulBridge } from "quayside/ime";
import { MAX_PASTE, mend, runsByItself } from "quayside/paste";
import { CLOSE, Socket } from "quayside/socket";
import { text } from "quayside/text";
import { palette } from "quayside/palette";

const ACK_STEP = 32 * 1024;
const INPUT_FRAME = 16 * 1024;
const INPUT_HELD = 4 * 1024;
const FONT = '"DejaVu Sans Mono", Menlo, Consolas, "Liberation Mono", D2Coding, "Noto Sans Mono CJK KR", monospace';
const encoder = new TextEncoder();

const options = {
  allowProposedApi: true, // unicode11 needs it
  fontFamily: FONT,
  lineHeight: 1.15,
  scrollback: 5000,
  cursorBlink: !matchMedia("(prefers-reduced-motion: reduce)").matches,
  minimumContrastRatio: 4.5,
  macOptionIsMeta: true,
  rightClickSelectsWord: true,
};

export class TerminalView {
  /**
   * `hooks`: onState(state, code) of the socket; onMark(message) prompt, command and exit marks; leave() on Ctrl+F6;
   * confirmPaste(text) → promise of a boolean; `preferences` has fontSize and screenReader.
   */
  constructor({ name, element, attempt, hooks, preferences }) {
    Object.assign(this, { name, element, hooks });
    this.received = null;
    this.drawn = 0;
    this.acknowledged = 0;
    this.replayUntil = 0;
    this.held = "";
    this.term = new Terminal({
      ...options,
      fontSize: preferences.fontSize,
      screenReaderMode: preferences.screenReader,
      theme: palette(),
      linkHandler: { activate: (_event, address) => this.follow(address) },
    });
    this.fit = new FitAddon();
    this.search = new SearchAddon();
    this.term.loadAddon(this.fit);
    this.term.loadAddon(this.search);
    this.term.loadAddon(new Unicode11Addon());
    this.term.loadAddon(new WebLinksAddon((_event, address) => this.follow(address)));
    this.term.unicode.activeVersion = "11";
    this.socket = new Socket({
      path: attempt.socket,
      ticketPath: attempt.ticket,
      greeting: () => ({ viewer: attempt.page, since: this.received, columns: this.term.cols, rows: this.term.rows }),
      onBytes: (bytes) => this.print(bytes),
      onMessage: (message) => this.told(message),
      onState: (state, code) => this.changed(state, code),
    });
  }

  /** Draw into the page and attach. */
  async open() {
    await fontsReady();
    this.term.open(this.element);
    this.hangul = new HangulBridge(this.term.element, (typed) => this.type(typed));
    this.term.textarea.setAttribute("aria-label", text("terminal-label", { name: this.name }));
    this.term.attachCustomKeyEventHandler((event) => this.key(event));
    this.term.element.addEventListener("paste", (event) => this.pasted(event), true);
    this.term.onData((data) => this.type(data));
    this.term.onBinary((data) => this.sendBytes(Uint8Array.from(data, (character) => character.charCodeAt(0))));
    this.term.onResize(({ cols, rows }) => this.socket.sendObject({ type: "resize", columns: cols, rows }));
    this.silenceReplies();
    this.observer = new ResizeObserver(() => this.refit());
    this.observer.observe(this.element);
    document.addEventListener("quayside:theme", (this.recolour = () => (this.term.options.theme = palette())));
    this.refit();
    this.socket.open();
    if (this.wantsFocus) this.term.focus();
  }

  /** Leave the page; the shell lives on in the sandbox. */
  dispose() {
    this.observer?.disconnect();
    document.removeEventListener("quayside:theme", this.recolour);
    this.socket.close();
    this.term.dispose();
  }

  refit() {
    if (this.element.offsetParent !== null && this.element.clientHeight > 40) this.fit.fit();
  }

  set fontSize(pixels) {
    this.term.options.fontSize = pixels;
    this.refit();
  }

  set screenReader(on) {
    this.term.options.screenReaderMode = on;
  }

  focus() {
    // Before it is drawn it cannot have the focus: it takes it then.
    this.wantsFocus = true;
    this.term.focus();
  }

  // -- what the terminal prints -------------------------------------------------------------------------------------

  print(bytes) {
    if (this.received === null) return;
    this.received += bytes.length;
    const end = this.received;
    const epoch = this.epoch;
    this.term.write(bytes, () => {
      if (epoch === this.epoch) this.drew(end);
    });
  }

  drew(end) {
    this.drawn = end;
    if (end - this.acknowledged >= ACK_STEP) {
      this.acknowledged = end;
      this.socket.sendObject({ type: "ack", offset: end });
    }
  }

  told(message) {
    if (message.type === "attached") {
      if (message.offset !== this.received) this.startAt(message.offset);
      // What was drawn but not yet acknowledged when the old socket went: the new one counts from `offset`.
      this.acknowledged = message.offset;
      this.replayUntil = message.end ?? message.offset;
      this.flushHeld();
    } else if (message.type === "reset") {
      this.startAt(message.offset);
    } else if (message.type === "exit") {
      this.term.write(`\r\n\x1b[2m${text("shell-ended", { status: message.status ?? "?" })}\x1b[0m\r\n`);
    }
    this.hooks.onMark(message);
  }

  /** Begin to count at `offset` with an empty screen. */
  startAt(offset) {
    this.epoch = (this.epoch ?? 0) + 1;
    this.term.reset();
    this.received = this.drawn = this.acknowledged = offset;
  }

  /** Old output may hold questions to the terminal; answering them again would type at the learner's prompt. */
  silenceReplies() {
    const replaying = () => this.drawn < this.replayUntil;
    const questions = [{ final: "c" }, { prefix: ">", final: "c" }, { prefix: "=", final: "c" }, { final: "n" }];
    questions.push({ prefix: "?", final: "n" }, { intermediates: "$", final: "p" });
    questions.push({ prefix: "?", intermediates: "$", final: "p" }, { prefix: ">", final: "q" });
    for (const question of questions) this.term.parser.registerCsiHandler(question, replaying);
    this.term.parser.registerDcsHandler({ intermediates: "$", final: "q" }, replaying);
    for (const colour of [4, 10, 11, 12]) {
      this.term.parser.registerOscHandler(colour, (data) => data.includes("?") && replaying());
    }
  }

  // -- what the learner types ---------------------------------------------------------------------------------------

  type(data) {
    if (!this.socket.ready || this.received === null) {
      // A blip of a second must not swallow a word; a long break must not replay an hour's typing.
      if (this.held.length + data.length <= INPUT_HELD) this.held += data;
      return;
    }
    this.sendBytes(encoder.encode(data));
  }

  flushHeld() {
    const held = this.held;
    this.held = "";
    if (held) this.sendBytes(encoder.encode(held));
  }

  sendBytes(bytes) {
    for (let start = 0; start < bytes.length; start += INPUT_FRAME) {
      this.socket.sendBytes(bytes.subarray(start, start + INPUT_FRAME));
    }
  }

  key(event) {
    if (event.isComposing) return true;
    if (this.hangul.owns(event)) return false;
    if (event.type !== "keydown") return true;
    const ctrl = event.ctrlKey && !event.altKey && !event.metaKey;
    // `code`, not `key`: with the Hangul layout on, the C key says ㅊ.
    if (ctrl && event.code === "F6") {
      event.preventDefault();
      this.hooks.leave();
      return false;
    }
    if (ctrl && event.code === "KeyC" && this.term.hasSelection()) {
      copyText(this.term.getSelection());
      this.term.clearSelection();
      event.preventDefault();
      return false;
    }
    // Left to the browser, whose `paste` event comes next; xterm would send ^V.
    if (ctrl && event.code === "KeyV") return false;
    if (ctrl && event.shiftKey && event.code === "KeyF") {
      event.preventDefault();
      this.hooks.find();
      return false;
    }
    return true;
  }

  async pasted(event) {
    event.preventDefault();
    event.stopPropagation();
    await this.paste(event.clipboardData?.getData("text/plain") ?? "");
  }

  /** Paste as the learner would: mended, capped, and asked about when it would run by itself. */
  async paste(value) {
    const mended = mend(value).slice(0, MAX_PASTE);
    if (!mended) return;
    if (runsByItself(mended, this.term.modes.bracketedPasteMode) && !(await this.hooks.confirmPaste(mended))) return;
    this.term.paste(mended);
    this.focus();
  }

  /** Type a command from the lesson at the prompt, in place of a half-typed line. */
  run(command, { newline = true } = {}) {
    // eslint-disable-next-line no-control-regex
    if (/^[\x00-\x1f]$/.test(command)) {
      this.type(command);
    } else {
      this.type(this.inContinuation() ? "\x03" : "\x05\x15");
      if (command.includes("\n")) this.term.paste(command);
      else this.type(command);
      if (newline) this.type("\r");
    }
    this.term.scrollToBottom();
    this.focus();
  }

  interrupt() {
    this.type("\x03");
  }

  /** Whether the shell waits for the rest of an unfinished command (its prompt is then "> "). */
  inContinuation() {
    const buffer = this.term.buffer.active;
    const line = buffer.getLine(buffer.baseY + buffer.cursorY)?.translateToString(true) ?? "";
    return /^> /.test(line);
  }

  // -- the rest -----------------------------------------------------------------------------------------------------

  changed(state, code) {
    this.hooks.onState(state, code);
    if (state === "closed" && code === CLOSE.ended) this.received = null;
  }

  /** Everything on the screen and above it, as text. */
  get contents() {
    const buffer = this.term.buffer.active;
    const lines = [];
    for (let number = 0; number < buffer.length; number += 1) {
      const line = buffer.getLine(number);
      const words = line.translateToString(true);
      if (line.isWrapped && lines.length) lines[lines.length - 1] += words;
      else lines.push(words);
    }
    return lines.join("\n").trimEnd();
  }

  /** A link in the output is the sandbox's word: only http(s), only after a question, never with our window. */
  follow(address) {
    let target;
    try {
      target = new URL(address);
    } catch {
      return;
    }
    if (!["http:", "https:"].includes(target.protocol)) return;
    if (confirm(text("open-link", { address: target.href }))) window.open(target.href, "_blank", "noopener,noreferrer");
  }
}

/** Cells are measured once, when the terminal opens: wait for the Hangul font, but not for ever. */
async function fontsReady() {
  const loaded = document.fonts?.load ? document.fonts.load('15px "D2Coding"', "가") : Promise.resolve();
  await Promise.race([loaded.catch(() => {}), new Promise((resolve) => setTimeout(resolve, 1500))]);
}

// Korean in WebKit (Safari, iPadOS): its Hangul input sends no composition events but `insertText` for the first
// letter and `insertReplacementText` for each syllable it grows into; xterm.js then loses all but the first.
// Chromium and Firefox compose; at their first `compositionstart` this steps aside for good.

const HANGUL = /^[\u1100-\u11ff\u3130-\u318f\uac00-\ud7a3]+$/;
const RUBOUT = "\x7f";

export class HangulBridge {
  /** `send(text)` types; `element` is an ancestor of the terminal's textarea, so that this hears `input` first. */
  constructor(element, send) {
    this.native = false;
    this.syllable = "";
    element.addEventListener("compositionstart", () => (this.native = true), true);
    element.addEventListener("input", (event) => this.input(event, send), true);
    element.addEventListener("keydown", (event) => event.keyCode !== 229 && (this.syllable = ""), true);
  }

  /** Whether xterm.js must not see this key: WebKit reports 229 for a key that its input method took. */
  owns(event) {
    return event.keyCode === 229 && !this.native && !event.isComposing && isWebKit;
  }

  input(event, send) {
    if (this.native || !isWebKit || !event.data || !HANGUL.test(event.data)) return;
    if (event.inputType === "insertText") {
      send(event.data);
    } else if (event.inputType === "insertReplacementText") {
      send(RUBOUT.repeat([...this.syllable].length) + event.data);
    } else {
      return;
    }
    this.syllable = event.data;
    event.stopPropagation();
  }
}

const agent = navigator.userAgent;
const isWebKit = /AppleWebKit/.test(agent) && !/Chrome|Chromium|Edg|Android/.test(agent);

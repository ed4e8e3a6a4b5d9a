// What stands where the terminal will be: Start, the stages of starting, why it failed, why it ended.

import { ask } from "quayside/dialog";
import { RequestFailed } from "quayside/http";
import { text } from "quayside/text";

const make = (name, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
};

export class Cover {
  constructor(element, attempt) {
    this.element = element;
    this.attempt = attempt;
    this.since = 0;
    attempt.addEventListener("state", () => this.render());
    attempt.addEventListener("look", () => this.render());
    attempt.addEventListener("left", () => this.message(text("left-title"), text("left-body"), [this.reloadButton()]));
    attempt.addEventListener("solution", ({ detail }) => this.playing(detail));
    this.render();
  }

  render() {
    const sandbox = this.attempt.sandbox;
    const state = sandbox?.state ?? "none";
    this.element.hidden = state === "ready";
    if (state !== "requested" && state !== "starting") clearInterval(this.clock);
    // Drawing the same again would take the focus from the button.
    const drawn = JSON.stringify([this.place(), state, sandbox?.stage, sandbox?.stages, sandbox?.error, sandbox?.message]);
    if (drawn === this.drawn) return;
    this.drawn = drawn;
    if (state === "none") this.invitation();
    else if (state === "requested" || state === "starting") this.stages(sandbox);
    else if (state === "failed") this.message(text("failed-title"), sandbox.error, [this.startButton("try-again")], "alert");
    else if (state === "ended") this.message(text("ended-title"), sandbox.message, [this.startButton("start-again")]);
  }

  /** The number of the step that is shown, when steps come before it; they are done for who starts here. */
  place() {
    const dot = document.querySelector(`[data-step="${CSS.escape(this.attempt.stepShown)}"] .step-dot`);
    const number = Number(dot?.textContent ?? 1);
    return number > 1 ? number : null;
  }

  show(...children) {
    this.element.hidden = false;
    this.element.replaceChildren(make("div", { className: "cover-card" }, ...children));
  }

  invitation() {
    this.show(
      make("h2", { textContent: text("start-title") }),
      make("p", { textContent: this.place() ? text("start-at-body") : text("start-body") }),
      make("div", { className: "cover-actions" }, this.startButton("start")),
    );
  }

  stages(sandbox) {
    if (!this.element.querySelector(".stages")) {
      this.since = Date.now();
      clearInterval(this.clock);
      this.clock = setInterval(() => this.tick(), 1000);
    }
    const names = sandbox.stages?.length ? sandbox.stages : ["sandbox"];
    const at = names.indexOf(sandbox.stage);
    const items = names.map((name, place) => {
      const [kind, step] = name.split(/:(.*)/s);
      const label = text(`stage-${kind}`, { step: this.titleOf(step) });
      const item = make("li", { textContent: label });
      item.className = place < at ? "done" : place === at ? "now" : "";
      if (place === at) item.setAttribute("aria-current", "step");
      return item;
    });
    this.elapsed = make("p", { className: "cover-elapsed" });
    this.playingNote = make("pre", { className: "cover-playing", hidden: true });
    const heading = make("h2", { textContent: text("starting-title") });
    this.show(heading, make("ol", { className: "stages" }, ...items), this.playingNote, this.elapsed);
  }

  tick() {
    const seconds = Math.round((Date.now() - this.since) / 1000);
    if (seconds >= 3 && this.elapsed) this.elapsed.textContent = text("starting-seconds", { seconds });
  }

  playing({ script }) {
    if (!this.playingNote || !script) return;
    this.playingNote.hidden = false;
    this.playingNote.textContent = script;
  }

  titleOf(step) {
    return document.querySelector(`[data-step="${CSS.escape(step ?? "")}"] .step-name`)?.textContent ?? step ?? "";
  }

  message(title, body, actions, role = "status") {
    const row = make("div", { className: "cover-actions" }, ...actions);
    const words = make("div", {}, make("h2", { textContent: title }), make("p", { textContent: body }));
    words.setAttribute("role", role);
    this.show(words, row);
  }

  startButton(label) {
    const number = label === "start" ? this.place() : null;
    const words = number ? text("start-at", { number }) : text(label);
    const button = make("button", { type: "button", className: "button primary large", textContent: words });
    button.dataset.action = "start";
    button.addEventListener("click", () => this.start(button));
    return button;
  }

  reloadButton() {
    const button = make("button", { type: "button", className: "button primary", textContent: text("reload") });
    button.addEventListener("click", () => location.reload());
    return button;
  }

  async start(button, fields = {}) {
    button.disabled = true;
    try {
      const step = this.attempt.state ? {} : { step: this.attempt.stepShown || undefined };
      await this.attempt.start({ ...step, ...fields });
    } catch (error) {
      button.disabled = false;
      if (!(error instanceof RequestFailed)) throw error;
      if (error.answer.error === "another-running") await this.offerToReplace(button, error.answer.other, fields);
      else this.message(text("failed-title"), error.message, [this.startButton("try-again")], "alert");
    }
  }

  async offerToReplace(button, other, fields) {
    const answer = await ask({
      title: text("other-title"),
      body: text("other-body", { title: other.title }),
      choices: [
        { value: "", label: text("cancel") },
        { value: "go", label: text("other-go") },
        { value: "replace", label: text("other-replace"), kind: "primary" },
      ],
    });
    if (answer === "go") location.href = other.url;
    if (answer === "replace") await this.start(button, { ...fields, replace: true });
  }
}

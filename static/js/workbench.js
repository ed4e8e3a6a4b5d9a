// The interactive page: makes its parts and introduces them to each other.

import { Attempt } from "quayside/attempt";
import { Cover } from "quayside/cover";
import { stampStyles } from "quayside/csp";
import { ask } from "quayside/dialog";
import { mend } from "quayside/paste";
import { ClusterPicture } from "quayside/picture";
import { Preferences } from "quayside/preferences";
import { Runner } from "quayside/runner";
import { makeSplitter } from "quayside/splitter";
import { Steps } from "quayside/steps";
import { TerminalTabs } from "quayside/tabs";
import { text } from "quayside/text";
import { Warning } from "quayside/warning";

stampStyles();

const byId = (id) => document.getElementById(id);
const data = (id) => JSON.parse(byId(id).textContent);
const bench = byId("bench");
const preferences = new Preferences();
const attempt = new Attempt(data("addresses"), data("state"));

/** Say it to who cannot see it, and show it to who can for a moment, unless they see it elsewhere already. */
function announce(sentence, { seen = true } = {}) {
  const said = byId("announcement");
  said.textContent = "";
  requestAnimationFrame(() => (said.textContent = sentence));
  said.classList.toggle("shown", seen);
  clearTimeout(announce.timer);
  announce.timer = setTimeout(() => said.classList.remove("shown"), 5000);
}

function showPane(name) {
  bench.dataset.pane = name;
  for (const button of document.querySelectorAll("[data-pane-button]")) {
    button.setAttribute("aria-pressed", String(button.dataset.paneButton === name));
  }
  if (name === "terminal") requestAnimationFrame(() => tabs.view?.refit());
}

const hooks = {
  find: () => find(),
  confirmPaste: async (lines) =>
    (await ask({
      title: text("paste-title"),
      body: text("paste-body"),
      sample: lines,
      choices: [
        { value: "", label: text("cancel") },
        { value: "yes", label: text("paste"), kind: "primary" },
      ],
    })) === "yes",
};

const tabs = new TerminalTabs({
  strip: byId("terminal-tabs"),
  panels: byId("terminals"),
  addButton: byId("add-terminal"),
  attempt,
  hooks,
  preferences,
});
const picture = new ClusterPicture(byId("picture"));
const steps = new Steps({ pane: byId("lesson-scroll"), nav: byId("steps-nav"), attempt, announce });
new Cover(byId("cover"), attempt);
new Warning({ banner: byId("warning"), attempt, announce });
new Runner({ pane: byId("lesson-scroll"), tabs, attempt, announce, showTerminal: () => showPane("terminal") });
makeSplitter(byId("splitter"), bench);

// -- the sandbox comes and goes -------------------------------------------------------------------------------------

let generation = null;

function followSandbox() {
  const now = attempt.ready ? attempt.sandbox.generation : null;
  bench.classList.toggle("has-sandbox", attempt.ready);
  for (const item of document.querySelectorAll("[data-needs-sandbox]")) item.disabled = !attempt.ready;
  if (now === generation) return;
  generation = now;
  tabs.clear();
  picture.cluster("absent");
  if (now !== null) {
    tabs.select("1", { focus: matchMedia("(min-width: 763px)").matches });
    announce(text("ready"));
  }
}

attempt.addEventListener("state", followSandbox);
attempt.addEventListener("terminal", ({ detail }) => attempt.ready && tabs.event(detail));
attempt.addEventListener("picture", ({ detail }) => picture.update(detail));
attempt.addEventListener("cluster", ({ detail }) => picture.cluster(detail.state));
attempt.addEventListener("connection", ({ detail }) => {
  byId("connection").hidden = !["waiting", "unreachable"].includes(detail.connection);
  byId("connection").textContent = text(`connection-${detail.connection === "unreachable" ? "unreachable" : "waiting"}`);
});
followSandbox();
if (attempt.state) attempt.take(attempt.state);

// -- controls -------------------------------------------------------------------------------------------------------

for (const button of document.querySelectorAll("[data-pane-button]")) {
  button.addEventListener("click", () => showPane(button.dataset.paneButton));
}
showPane("text");

async function fresh(kind) {
  const answer = await ask({
    title: text(`${kind}-title`),
    body: text(`${kind}-body`),
    choices: [
      { value: "", label: text("cancel") },
      { value: "yes", label: text(kind), kind: "primary" },
    ],
  });
  if (answer !== "yes") return;
  try {
    await (kind === "reset" ? attempt.reset(attempt.stepShown) : attempt.end());
  } catch (error) {
    announce(error.message);
  }
}

async function find() {
  const view = tabs.view;
  if (!view) return;
  const box = byId("find");
  box.hidden = false;
  box.querySelector("input").focus();
  box.querySelector("input").select();
}

const actions = {
  reset: () => fresh("reset"),
  end: () => fresh("end"),
  find,
  larger: () => preferences.set("fontSize", Math.min(28, preferences.fontSize + 1)),
  smaller: () => preferences.set("fontSize", Math.max(9, preferences.fontSize - 1)),
  picture: () => preferences.set("picture", !preferences.picture),
  "screen-reader": () => preferences.set("screenReader", !preferences.screenReader),
  keys: () =>
    ask({ title: text("keys-title"), body: text("keys-body"), choices: [{ value: "", label: text("close"), kind: "primary" }] }),
};
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-do]");
  if (!button) return;
  const menu = button.closest("details.menu");
  if (menu) menu.open = false;
  actions[button.dataset.do]();
});

function applyPreferences() {
  bench.classList.toggle("no-picture", !preferences.picture);
  for (const { view } of tabs.tabs.values()) {
    view.fontSize = preferences.fontSize;
    view.screenReader = preferences.screenReader;
  }
  document.querySelector("[data-do=picture]").setAttribute("aria-pressed", String(preferences.picture));
  document.querySelector("[data-do=screen-reader]").setAttribute("aria-pressed", String(preferences.screenReader));
}
preferences.addEventListener("change", applyPreferences);
applyPreferences();

const findBox = byId("find");
findBox.addEventListener("submit", (event) => {
  event.preventDefault();
  tabs.view?.search.findPrevious(findBox.querySelector("input").value);
});
findBox.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  findBox.hidden = true;
  tabs.view?.focus();
});

// The input line: a plain field, for phones, input methods and screen readers.
const line = byId("input-line");
const field = line.querySelector("textarea");
function sendLine() {
  const view = tabs.view;
  if (!view) return;
  const typed = mend(field.value);
  if (typed.includes("\n")) view.term.paste(typed);
  else view.type(typed);
  view.type("\r");
  view.term.scrollToBottom();
  field.value = "";
  fitField();
}
function fitField() {
  field.rows = Math.min(5, field.value.split("\n").length);
}
field.addEventListener("input", fitField);
field.addEventListener("keydown", (event) => {
  // While a syllable is being composed, Enter belongs to the input method.
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing && event.keyCode !== 229) {
    event.preventDefault();
    sendLine();
  }
});
line.addEventListener("submit", (event) => {
  event.preventDefault();
  sendLine();
});

// The row of keys that a phone's keyboard lacks.
const KEYS = { esc: "\x1b", tab: "\t", "ctrl-c": "\x03", "ctrl-d": "\x04", up: "\x1b[A", down: "\x1b[B", left: "\x1b[D", right: "\x1b[C" };
byId("key-row").addEventListener("click", (event) => {
  const key = event.target.closest("[data-key]")?.dataset.key;
  const view = tabs.view;
  if (!key || !view) return;
  const pressed = KEYS[key];
  view.type(view.term.modes.applicationCursorKeysMode && /^\x1b\[[A-D]$/.test(pressed) ? pressed.replace("[", "O") : pressed);
});

// F6 goes round the panes, as on a desktop; from inside the terminal it is Ctrl+F6.
document.addEventListener("keydown", (event) => {
  if (event.code !== "F6" || event.ctrlKey || event.altKey || event.target.closest?.(".xterm")) return;
  event.preventDefault();
  const inText = byId("text-pane").contains(document.activeElement);
  if (inText && tabs.view) {
    showPane("terminal");
    tabs.view.focus();
  } else {
    showPane("text");
    byId("lesson-scroll").focus();
  }
});

export { attempt, picture, preferences, steps, tabs };

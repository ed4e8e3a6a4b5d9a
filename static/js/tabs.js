// The terminals of the page: ARIA tabs with a roving tabindex, one panel each, and a button for another.

import { PAGE_ID } from "quayside/attempt";
import { CLOSE } from "quayside/socket";
import { TerminalView } from "quayside/terminal";
import { text } from "quayside/text";

const MOST = 8;

export class TerminalTabs extends EventTarget {
  constructor({ strip, panels, addButton, attempt, hooks, preferences }) {
    super();
    Object.assign(this, { strip, panels, addButton, attempt, hooks, preferences });
    this.tabs = new Map();
    this.doing = new Map();
    addButton.addEventListener("click", () => this.select(this.free(), { focus: true }));
    strip.addEventListener("keydown", (event) => this.key(event));
  }

  /** Forget the terminals of a sandbox that has gone. */
  clear() {
    for (const { view, tab, panel } of this.tabs.values()) {
      view.dispose();
      tab.remove();
      panel.remove();
    }
    this.tabs.clear();
    this.doing.clear();
    this.current = undefined;
  }

  get view() {
    return this.tabs.get(this.current)?.view;
  }

  /** The lowest number that no terminal has. */
  free() {
    for (let number = 1; number <= MOST; number += 1) {
      if (!this.tabs.has(String(number))) return String(number);
    }
    return this.current;
  }

  /** Show the terminal of that name, opening it when there is none. */
  select(name, { focus = false } = {}) {
    const opened = this.tabs.get(name) ?? this.open(name);
    this.current = name;
    for (const [other, { tab, panel }] of this.tabs) {
      const chosen = other === name;
      tab.setAttribute("aria-selected", String(chosen));
      tab.tabIndex = chosen ? 0 : -1;
      panel.hidden = !chosen;
    }
    opened.view.refit();
    if (focus) opened.view.focus();
    this.dispatchEvent(new CustomEvent("select", { detail: name }));
    return opened.view;
  }

  open(name) {
    const tab = document.createElement("button");
    Object.assign(tab, { type: "button", id: `tab-${name}`, className: "terminal-tab" });
    tab.setAttribute("role", "tab");
    tab.setAttribute("aria-controls", `panel-${name}`);
    const label = Object.assign(document.createElement("span"), { className: "terminal-tab-name" });
    label.textContent = text("terminal-tab", { name });
    const doing = Object.assign(document.createElement("span"), { className: "terminal-tab-doing" });
    tab.append(label, doing);
    tab.addEventListener("click", () => this.select(name, { focus: true }));

    const panel = document.createElement("div");
    Object.assign(panel, { id: `panel-${name}`, className: "terminal-panel" });
    panel.setAttribute("role", "tabpanel");
    panel.setAttribute("aria-labelledby", tab.id);
    const badge = Object.assign(document.createElement("p"), { className: "terminal-badge", hidden: true });
    badge.setAttribute("role", "status");
    const screen = Object.assign(document.createElement("div"), { className: "terminal-screen" });
    panel.append(screen, badge);

    const place = [...this.tabs.keys()].filter((other) => Number(other) < Number(name)).length;
    this.strip.insertBefore(tab, this.strip.children[place] ?? null);
    this.panels.append(panel);
    const view = new TerminalView({
      name,
      element: screen,
      attempt: {
        page: PAGE_ID,
        socket: this.attempt.address("terminal", { terminal: name }),
        ticket: this.attempt.address("ticket"),
      },
      hooks: {
        ...this.hooks,
        leave: () => tab.focus(),
        onMark: (message) => this.marked(name, message),
        onState: (state, code) => this.connection(name, badge, state, code),
      },
      preferences: this.preferences,
    });
    const opened = { view, tab, panel, doing, badge };
    this.tabs.set(name, opened);
    this.addButton.hidden = this.tabs.size >= MOST;
    panel.hidden = false;
    view.open();
    return opened;
  }

  connection(name, badge, state, code) {
    badge.hidden = state === "open" || (state === "connecting" && badge.hidden);
    if (state === "waiting" || state === "unreachable") badge.textContent = text(`terminal-${state}`);
    if (state === "closed" && code) badge.textContent = text(code === CLOSE.ended ? "terminal-ended" : "terminal-closed");
    if (code === CLOSE.ended && this.tabs.size > 1) this.remove(name);
  }

  remove(name) {
    const { view, tab, panel } = this.tabs.get(name);
    view.dispose();
    tab.remove();
    panel.remove();
    this.tabs.delete(name);
    this.doing.delete(name);
    this.addButton.hidden = false;
    if (this.current === name) this.select([...this.tabs.keys()][0], { focus: true });
  }

  // -- what runs in them --------------------------------------------------------------------------------------------

  /**
   * A `terminal` event: shows terminals that another page opened. What runs in one that is shown here is told by its
   * own marks alone; an event for it may come late and would make an idle shell look busy.
   */
  event({ terminal, state, command }) {
    if (state === "ended" || this.tabs.has(terminal) || this.tabs.size >= MOST || !/^[1-8]$/.test(terminal)) return;
    const current = this.current;
    this.select(terminal);
    if (current) this.select(current);
    this.stateIs(terminal, state, command);
  }

  /** At a prompt nothing runs (null); before the first prompt nobody knows (undefined). */
  stateIs(name, state, command) {
    if (state === "prompt") this.setDoing(name, null);
    if (state === "running") this.setDoing(name, command ?? "");
  }

  marked(name, message) {
    if (message.type === "attached") this.stateIs(name, message.state, message.command);
    if (message.type !== "mark") return;
    if (message.mark === "command") this.setDoing(name, message.command ?? "");
    if (message.mark === "prompt") this.setDoing(name, null);
  }

  setDoing(name, command) {
    if (this.doing.get(name) === command) return;
    const opened = this.tabs.get(name);
    this.doing.set(name, command);
    if (opened) {
      opened.doing.textContent = command === null ? "" : command.slice(0, 40);
      opened.tab.title = command ?? "";
    }
    this.dispatchEvent(new CustomEvent("doing", { detail: { name, command } }));
  }

  /** Wait until the terminal is at a prompt; whether it is. */
  prompt(name, timeout) {
    if (this.doing.get(name) === null) return Promise.resolve(true);
    return new Promise((resolve) => {
      const finish = (reached) => {
        clearTimeout(timer);
        this.removeEventListener("doing", look);
        resolve(reached);
      };
      const look = ({ detail }) => detail.name === name && detail.command === null && finish(true);
      const timer = setTimeout(() => finish(false), timeout);
      this.addEventListener("doing", look);
    });
  }

  key(event) {
    const names = [...this.strip.children].map((tab) => tab.id.replace("tab-", ""));
    const at = names.indexOf(this.current);
    const to = {
      ArrowRight: (at + 1) % names.length,
      ArrowLeft: (at - 1 + names.length) % names.length,
      Home: 0,
      End: names.length - 1,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    this.select(names[to]);
    this.tabs.get(names[to]).tab.focus();
  }
}

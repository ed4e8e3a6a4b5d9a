// The lesson's run and copy buttons.

import { copyText } from "quayside/copy";
import { text } from "quayside/text";

const PROMPT_WITHIN = 5000;
/** A command whose running means that a shell waits for input in its place: `bash`, `kubectl exec -ti web -- sh`. */
const OPENS_SHELL =
  /^\s*(?:(?:\/\S*\/)?(?:ba|da|a|z)?sh(?:\s+-[il]+)*|(?:kubectl|k|docker)\s.*\s-(?:it|ti|i|t|-stdin|-tty)\b.*\s(?:\/\S*\/)?(?:ba|da|a|z)?sh|minikube\s+ssh)\s*$/;

/** What `^C` in a lesson stands for. */
function controlKey(written) {
  const key = written.trim().slice(1).toUpperCase();
  return key === "ESC" ? "\x1b" : String.fromCharCode(key.charCodeAt(0) ^ 0x40);
}

export class Runner {
  /** `announce(sentence)` speaks; `showTerminal()` brings the terminal into view on a narrow page. */
  constructor({ pane, tabs, attempt, announce, showTerminal }) {
    Object.assign(this, { tabs, attempt, announce, showTerminal });
    pane.addEventListener("click", (event) => {
      const button = event.target.closest("button.run, button.copy");
      if (button?.matches(".run")) this.run(button);
      else if (button) this.copy(button);
    });
  }

  async copy(button) {
    const copied = await copyText(button.dataset.text);
    this.flash(button, text(copied ? "copied" : "copy-failed"));
  }

  flash(button, words) {
    const label = (button.dataset.label ??= button.textContent);
    button.textContent = words;
    button.classList.add("flash");
    this.announce(words);
    clearTimeout(button.flashTimer);
    button.flashTimer = setTimeout(() => {
      button.textContent = label;
      button.classList.remove("flash");
    }, 1600);
  }

  async run(button) {
    this.closeOffer();
    if (!this.attempt.ready) {
      this.showTerminal();
      document.querySelector("[data-action=start]")?.focus();
      this.announce(text("start-first"));
      return;
    }
    const { terminal = "1" } = button.dataset;
    const command = button.dataset.control ? controlKey(button.dataset.command) : button.dataset.command;
    const newline = button.dataset.newline !== "0";
    const pressesKey = command.length === 1 && command < " ";
    this.showTerminal();
    const view = this.tabs.select(terminal);
    if (pressesKey) return view.run(command);
    const doing = this.tabs.doing.get(terminal);
    if (typeof doing === "string" && OPENS_SHELL.test(doing) && !button.dataset.interrupt) {
      view.run(command, { newline });
    } else {
      if (button.dataset.interrupt && doing) view.interrupt();
      else if (typeof doing === "string") return this.offer(button, terminal, command, newline);
      await this.type(terminal, command, newline);
    }
    button.classList.add("ran");
  }

  async type(terminal, command, newline) {
    const view = this.tabs.select(terminal);
    if (!(await this.tabs.prompt(terminal, PROMPT_WITHIN))) return this.announce(text("still-running"));
    view.run(command, { newline });
    // Until the shell says so itself: a second click must not type into the command that is about to begin.
    if (newline) this.tabs.setDoing(terminal, command);
  }

  /** Something runs in that terminal already: name it, and let the learner choose. */
  offer(button, terminal, command, newline) {
    const box = document.createElement("div");
    box.className = "run-offer";
    box.setAttribute("role", "group");
    const words = document.createElement("p");
    words.textContent = text("running-here", { command: this.tabs.doing.get(terminal) || "…", name: terminal });
    const choice = (label, act) => {
      const chosen = Object.assign(document.createElement("button"), { type: "button", className: "button small" });
      chosen.textContent = text(label);
      chosen.addEventListener("click", () => {
        this.closeOffer();
        act();
      });
      return chosen;
    };
    const stop = choice("stop-and-run", () => {
      this.tabs.select(terminal).interrupt();
      this.type(terminal, command, newline);
    });
    const elsewhere = choice("run-in-new-tab", () => this.type(this.tabs.free(), command, newline));
    box.append(words, stop, elsewhere);
    box.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      this.closeOffer();
      button.focus();
    });
    button.closest(".runnable")?.after(box);
    this.offered = box;
    stop.focus();
  }

  closeOffer() {
    this.offered?.remove();
    this.offered = null;
  }
}

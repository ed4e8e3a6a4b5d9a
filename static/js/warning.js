// Before a sandbox is taken away for idleness or age: a banner with a countdown, and the tab's title for who is elsewhere.

import { text } from "quayside/text";

export class Warning {
  constructor({ banner, attempt, announce }) {
    Object.assign(this, { banner, attempt, announce });
    this.title = document.title;
    this.words = banner.querySelector("[data-words]");
    banner.querySelector("[data-extend]").addEventListener("click", () => this.extend());
    attempt.addEventListener("state", () => this.follow());
    this.follow();
  }

  follow() {
    const { warning } = this.attempt.ready ? this.attempt.sandbox : {};
    const key = warning ? `${warning.of} ${warning.ends}` : "";
    if (key === this.key) return;
    this.key = key;
    clearInterval(this.clock);
    this.banner.hidden = !warning;
    document.title = this.title;
    if (!warning) return;
    this.ends = Date.parse(warning.ends) - this.attempt.skew;
    this.of = warning.of;
    this.clock = setInterval(() => this.count(), 1000);
    this.count();
    this.announce(this.words.textContent, { seen: false });
  }

  count() {
    const left = Math.max(0, Math.round((this.ends - Date.now()) / 1000));
    const time = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
    this.words.textContent = text(`warning-${this.of}`, { time });
    document.title = `⚠ ${time} · ${this.title}`;
  }

  async extend() {
    try {
      await this.attempt.extend();
    } catch (error) {
      this.announce(error.message);
      this.words.textContent = error.message;
    }
  }
}

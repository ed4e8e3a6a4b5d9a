// What this browser remembers of how the learner likes the page.

const KEY = "quayside-preferences";
const DEFAULTS = { fontSize: 14, screenReader: false, picture: true };

export class Preferences extends EventTarget {
  constructor() {
    super();
    Object.assign(this, DEFAULTS);
    try {
      const kept = JSON.parse(localStorage.getItem(KEY) ?? "{}");
      for (const name of Object.keys(DEFAULTS)) {
        if (typeof kept[name] === typeof DEFAULTS[name]) this[name] = kept[name];
      }
    } catch {
      // Unreadable or forbidden: the defaults.
    }
    this.fontSize = Math.min(28, Math.max(9, this.fontSize));
  }

  set(name, value) {
    this[name] = value;
    try {
      localStorage.setItem(KEY, JSON.stringify(Object.fromEntries(Object.keys(DEFAULTS).map((one) => [one, this[one]]))));
    } catch {
      // The page works as well without memory.
    }
    this.dispatchEvent(new CustomEvent("change", { detail: { name, value } }));
  }
}

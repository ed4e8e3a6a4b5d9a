// The interface's words in the page's language: the server writes them into the page, once.

const words = JSON.parse(document.getElementById("page-texts")?.textContent ?? "{}");

/** The text of that name with `{placeholders}` filled in. */
export function text(name, values = {}) {
  const pattern = words[name] ?? name;
  return pattern.replace(/\{(\w+)\}/g, (whole, key) => (key in values ? String(values[key]) : whole));
}

const language = document.documentElement.lang || "en";

/** "3 minutes ago", "in 5 minutes", in the page's language. */
export function minutesFromNow(milliseconds) {
  const format = new Intl.RelativeTimeFormat(language, { numeric: "always" });
  const seconds = Math.round(milliseconds / 1000);
  return Math.abs(seconds) < 60 ? format.format(seconds, "second") : format.format(Math.round(seconds / 60), "minute");
}

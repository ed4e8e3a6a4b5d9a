// What to do with text on its way into the terminal: mend what word processors did to it, ask before several lines.

export const MAX_PASTE = 64 * 1024;

/** The text as a shell wants it: straight quotes, plain hyphens and spaces, no invisible characters. */
export function mend(value) {
  return value
    .replace(/\r\n?/g, "\n")
    .replace(/[\u2018\u2019\u201a\u2032]/g, "'")
    .replace(/[\u201c\u201d\u201e\u2033]/g, '"')
    .replace(/\u2014/g, "--")
    .replace(/[\u2010-\u2013\u2212]/g, "-")
    .replace(/[\u00a0\u2007\u202f]/g, " ")
    // Zero-width and bidirectional marks, and control bytes, can hide what a line really does.
    .replace(/[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g, "")
    // eslint-disable-next-line no-control-regex
    .replace(/[\x00-\x08\x0b-\x1f\x7f]/g, "");
}

/** Whether this text could run something before the learner presses Enter. */
export function runsByItself(value, bracketed) {
  return !bracketed && value.trimEnd().includes("\n");
}

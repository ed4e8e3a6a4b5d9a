// The terminal's colours, light and dark; both reach 4.5 : 1 on their background for all but "black on black".

const LIGHT = {
  background: "#fbfcfe",
  foreground: "#1f2937",
  cursor: "#326de6",
  cursorAccent: "#ffffff",
  selectionBackground: "#c9dafb",
  black: "#1f2937",
  red: "#b42318",
  green: "#1a7f4b",
  yellow: "#8a5a00",
  blue: "#2458c5",
  magenta: "#8b3fb0",
  cyan: "#0f717d",
  white: "#5b6678",
  brightBlack: "#5b6678",
  brightRed: "#c4320a",
  brightGreen: "#15803d",
  brightYellow: "#925f00",
  brightBlue: "#2f6ae0",
  brightMagenta: "#9a45c4",
  brightCyan: "#0e7490",
  brightWhite: "#1f2937",
};

const DARK = {
  background: "#0d1320",
  foreground: "#dbe3f2",
  cursor: "#7aa5ff",
  cursorAccent: "#0d1320",
  selectionBackground: "#2b4477",
  black: "#26304a",
  red: "#ff8a80",
  green: "#7fd99a",
  yellow: "#f2cb6c",
  blue: "#86adff",
  magenta: "#d9a3f5",
  cyan: "#74d4e0",
  white: "#dbe3f2",
  brightBlack: "#8592ad",
  brightRed: "#ffa59d",
  brightGreen: "#9be8b2",
  brightYellow: "#ffdf94",
  brightBlue: "#a8c5ff",
  brightMagenta: "#e8c1fb",
  brightCyan: "#98e6ef",
  brightWhite: "#ffffff",
};

/** The colours that go with the page's theme now. */
export function palette() {
  return document.documentElement.dataset.theme === "dark" ? DARK : LIGHT;
}

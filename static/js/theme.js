// A classic script in <head>, so that a dark page never flashes white: sets what was chosen before the first paint.
(function () {
  "use strict";
  const root = document.documentElement;
  const key = "quayside-theme";
  let chosen = "auto";
  try {
    chosen = localStorage.getItem(key) || "auto";
  } catch {
    // Storage may be forbidden: the system's preference then decides.
  }
  const dark = matchMedia("(prefers-color-scheme: dark)");

  function apply() {
    const isDark = chosen === "dark" || (chosen === "auto" && dark.matches);
    root.dataset.theme = isDark ? "dark" : "light";
    root.dataset.themeChoice = chosen;
    document.dispatchEvent(new CustomEvent("quayside:theme"));
  }

  function choose(theme) {
    chosen = theme;
    try {
      localStorage.setItem(key, theme);
    } catch {
      // As above.
    }
    apply();
    mark();
  }

  function mark() {
    for (const button of document.querySelectorAll("[data-choose-theme]")) {
      button.setAttribute("aria-pressed", String(button.dataset.chooseTheme === chosen));
    }
  }

  dark.addEventListener("change", apply);
  document.addEventListener("click", (event) => {
    const button = event.target.closest && event.target.closest("[data-choose-theme]");
    if (button) choose(button.dataset.chooseTheme);
    // A menu made of <details> closes when the learner goes elsewhere.
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });
  document.addEventListener("DOMContentLoaded", mark);
  apply();
})();

// The bar between text and terminal: dragged with a pointer, moved with arrow keys, remembered.

const KEY = "quayside-split";
const BOUNDS = { least: 25, most: 70 };
const STEP = 2;

export function makeSplitter(bar, container) {
  let share = Number(remembered()) || 44;

  function move(to, { save = true } = {}) {
    share = Math.min(BOUNDS.most, Math.max(BOUNDS.least, to));
    container.style.setProperty("--text-share", `${share}%`);
    bar.setAttribute("aria-valuenow", String(Math.round(share)));
    if (save) remember(share);
  }

  bar.setAttribute("aria-valuemin", String(BOUNDS.least));
  bar.setAttribute("aria-valuemax", String(BOUNDS.most));
  bar.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    bar.setPointerCapture(event.pointerId);
    bar.classList.add("dragging");
  });
  bar.addEventListener("pointermove", (event) => {
    if (!bar.hasPointerCapture(event.pointerId)) return;
    const box = container.getBoundingClientRect();
    move(((event.clientX - box.left) / box.width) * 100, { save: false });
  });
  for (const name of ["pointerup", "pointercancel"]) {
    bar.addEventListener(name, () => {
      bar.classList.remove("dragging");
      remember(share);
    });
  }
  bar.addEventListener("keydown", (event) => {
    const steps = { ArrowLeft: share - STEP, ArrowRight: share + STEP, Home: BOUNDS.least, End: BOUNDS.most };
    if (!(event.key in steps)) return;
    event.preventDefault();
    move(steps[event.key]);
  });
  move(share, { save: false });
}

function remembered() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

function remember(share) {
  try {
    localStorage.setItem(KEY, String(share));
  } catch {
    // The page works as well without memory.
  }
}

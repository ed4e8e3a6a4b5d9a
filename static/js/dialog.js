// Questions that need an answer, in a <dialog>: focus is trapped and Escape says no, by the browser itself.

/** Ask; resolves to the `value` of the button chosen, or "" when dismissed. `sample` is shown as code. */
export function ask({ title, body = "", sample = "", choices }) {
  return new Promise((resolve) => {
    const dialog = document.createElement("dialog");
    dialog.className = "question";
    dialog.setAttribute("aria-labelledby", "question-title");
    const heading = Object.assign(document.createElement("h2"), { id: "question-title", textContent: title });
    dialog.append(heading);
    if (body) dialog.append(Object.assign(document.createElement("p"), { textContent: body }));
    if (sample) {
      const pre = document.createElement("pre");
      pre.textContent = sample.length > 2000 ? sample.slice(0, 2000) + "\n…" : sample;
      pre.tabIndex = 0;
      dialog.append(pre);
    }
    const row = Object.assign(document.createElement("div"), { className: "question-choices" });
    for (const { value, label, kind = "" } of choices) {
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: label });
      button.className = `button ${kind}`;
      button.addEventListener("click", () => {
        dialog.returnValue = value;
        dialog.close(value);
      });
      if (kind === "primary") button.autofocus = true;
      row.append(button);
    }
    dialog.append(row);
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

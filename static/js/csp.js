// xterm.js makes <style> elements; under a strict Content-Security-Policy each needs the page's nonce when it is made.

const nonce = document.querySelector("script[nonce]")?.nonce;

/** Give every <style> element made from now on the nonce. Call before the first Terminal. */
export function stampStyles() {
  if (!nonce) return;
  const createElement = Document.prototype.createElement;
  Document.prototype.createElement = function (name, ...rest) {
    const element = createElement.call(this, name, ...rest);
    if (String(name).toLowerCase() === "style") element.setAttribute("nonce", nonce);
    return element;
  };
}

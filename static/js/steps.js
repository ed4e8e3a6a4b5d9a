// The lesson's pages: one is shown at a time, each has an address (#step-id), and steps tick themselves.

import { text } from "quayside/text";

const HINT_AFTER = 20_000;

export class Steps {
  constructor({ pane, nav, attempt, announce }) {
    Object.assign(this, { pane, nav, attempt, announce });
    this.articles = [...pane.querySelectorAll("article[data-page]")];
    this.pages = this.articles.map((article) => article.dataset.page);
    this.passed = new Set(this.articles.filter((one) => one.classList.contains("passed")).map((one) => one.dataset.page));
    document.documentElement.classList.add("stepwise");
    addEventListener("hashchange", () => this.show(this.fromAddress() ?? this.current, { focus: true }));
    pane.addEventListener("click", (event) => this.click(event));
    nav.addEventListener("click", (event) => this.follow(event));
    attempt.addEventListener("state", ({ detail }) => this.tick(detail.passed ?? []));
    attempt.addEventListener("passed", ({ detail }) => this.celebrate(detail.step));
    attempt.addEventListener("verdicts", ({ detail }) => this.verdicts(detail));
    attempt.addEventListener("step", ({ detail }) => this.elsewhere(detail.step));
    this.show(this.fromAddress() ?? this.begin(), { replace: true });
  }

  /** Where to begin: the step the learner was at, else the first page. */
  begin() {
    const at = this.attempt.state?.step;
    return at && this.pages.includes(at) ? at : this.pages[0];
  }

  fromAddress() {
    const name = decodeURIComponent(location.hash.replace(/^#step-/, ""));
    return this.pages.includes(name) ? name : null;
  }

  isStep(page) {
    return !page.startsWith("page:");
  }

  show(page, { focus = false, replace = false } = {}) {
    if (page === this.current) return;
    this.current = page;
    for (const article of this.articles) article.hidden = article.dataset.page !== page;
    for (const link of this.nav.querySelectorAll("[data-step]")) {
      if (link.dataset.step === page) link.setAttribute("aria-current", "step");
      else link.removeAttribute("aria-current");
    }
    const link = this.nav.querySelector("[aria-current]");
    // scrollIntoView would also move the page, which must stay where it is.
    if (link) this.nav.scrollLeft = link.offsetLeft - (this.nav.clientWidth - link.offsetWidth) / 2;
    if (this.fromAddress() !== page && (!replace || this.isStep(page))) {
      history[replace ? "replaceState" : "pushState"](null, "", `#step-${encodeURIComponent(page)}`);
    }
    this.pane.scrollTop = 0;
    const article = this.articles.find((one) => one.dataset.page === page);
    if (focus) article.querySelector("h1, h2")?.focus({ preventScroll: true });
    this.attempt.stepShown = this.isStep(page) ? page : "";
    // The introduction is not a place to come back to; the last page is, and is called "".
    if (this.isStep(page) || page === "page:finish") this.attempt.look(this.attempt.stepShown).catch(() => {});
    this.offerHelpLater(article);
  }

  /** Another page of the same learner moved on; this one says so and stays. */
  elsewhere(step) {
    if (step && step !== this.current) this.nav.querySelector(`[data-step="${CSS.escape(step)}"]`)?.classList.add("elsewhere");
  }

  /** At once, not when the browser reports that the address changed. A new tab is the browser's. */
  follow(event) {
    const link = event.target.closest("[data-step]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    this.show(link.dataset.step, { focus: true });
  }

  click(event) {
    const turn = event.target.closest("[data-turn]")?.dataset.turn;
    const beside = this.pages[this.pages.indexOf(this.current) + (turn === "back" ? -1 : 1)];
    const to = event.target.closest("[data-go]")?.dataset.go ?? (turn && beside);
    if (to) {
      event.preventDefault();
      this.show(to, { focus: true });
    }
    const check = event.target.closest("[data-check]");
    if (check) this.check(check);
    const answer = event.target.closest("details.answer > summary");
    if (answer) this.loadAnswer(answer.parentElement);
  }

  // -- ticks --------------------------------------------------------------------------------------------------------

  tick(passed) {
    this.passed = new Set(passed);
    for (const page of this.pages) this.mark(page, this.passed.has(page));
  }

  mark(page, passed) {
    this.articles.find((one) => one.dataset.page === page)?.classList.toggle("passed", passed);
    const link = this.nav.querySelector(`[data-step="${CSS.escape(page)}"]`);
    link?.classList.toggle("passed", passed);
    const said = link?.querySelector(".step-said");
    if (said) said.textContent = passed ? text("step-passed-label") : "";
  }

  celebrate(step) {
    const article = this.articles.find((one) => one.dataset.page === step);
    this.announce(text("step-passed", { title: article?.querySelector("h2")?.textContent ?? "" }));
    article?.classList.add("just-passed");
  }

  verdicts({ step, checks }) {
    const article = this.articles.find((one) => one.dataset.page === step);
    const tasks = [...(article?.querySelectorAll(".tasks > li") ?? [])];
    const missing = [];
    checks.forEach((check, place) => {
      const item = tasks[place];
      if (!item) return;
      item.classList.toggle("done", check.passed);
      item.querySelector(".task-said").textContent = check.passed ? text("task-done") : text("task-open");
      const hint = item.querySelector(".task-hint");
      hint.textContent = check.passed ? "" : check.hint;
      if (!check.passed && check.hint) missing.push(check.hint);
    });
    article?.classList.toggle("undone", this.passed.has(step) && checks.some((check) => !check.passed));
    const said = missing.join(" ");
    if (step === this.current && said && said !== this.said && this.helpful) this.announce(said, { seen: false });
    this.said = said;
  }

  /** A hint for a task that nobody has begun yet would only be noise: it shows after a while, or once asked for. */
  offerHelpLater(article) {
    clearTimeout(this.helpTimer);
    this.helpful = false;
    article.classList.remove("helpful");
    this.helpTimer = setTimeout(() => this.help(article), HINT_AFTER);
  }

  help(article) {
    this.helpful = true;
    article.classList.add("helpful");
  }

  async check(button) {
    const step = button.dataset.check;
    button.disabled = true;
    try {
      const answer = await this.attempt.check(step);
      this.help(this.articles.find((one) => one.dataset.page === step));
      this.verdicts({ step, checks: answer.checks });
      if (answer.passed) this.mark(step, true);
      this.announce(answer.passed ? text("check-passed") : text("check-missing"));
    } catch (error) {
      this.announce(error.message);
    } finally {
      button.disabled = false;
    }
  }

  async loadAnswer(details) {
    const place = details.querySelector(".answer-body");
    if (place.childElementCount || !this.attempt.state) return;
    try {
      const { html } = await this.attempt.answer(details.dataset.step);
      // Sanitised by the site when the lesson was loaded.
      place.innerHTML = html;
    } catch (error) {
      place.textContent = error.message;
    }
  }
}

// Requests to the site: JSON, with the CSRF token, with a deadline, and with errors a learner can read.

import { text } from "quayside/text";

/** The site refused; `message` is for the learner, `status` is 0 when it could not be reached. */
export class RequestFailed extends Error {
  constructor(message, status, answer = {}) {
    super(message);
    this.status = status;
    this.answer = answer;
  }
}

/** Read anew each time: *Start* makes a guest, and that renews it. */
function csrfToken() {
  return document.cookie.match(/(?:^|; )quayside_csrf=([^;]+)/)?.[1] ?? "";
}

async function request(method, address, fields, timeout) {
  const headers = { Accept: "application/json" };
  const options = { method, headers, credentials: "same-origin", cache: "no-store" };
  if (method === "POST") {
    headers["X-CSRFToken"] = csrfToken();
    headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(fields ?? {});
  }
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), timeout);
  try {
    const response = await fetch(address, { ...options, signal: controller.signal });
    const answer = await response.json().catch(() => ({}));
    if (!response.ok) {
      throw new RequestFailed(answer.message ?? text("request-failed", { status: response.status }), response.status, answer);
    }
    return answer;
  } catch (error) {
    if (error instanceof RequestFailed) throw error;
    throw new RequestFailed(text("site-unreachable"), 0);
  } finally {
    clearTimeout(timer);
  }
}

export const get = (address, timeout = 10_000) => request("GET", address, null, timeout);
export const post = (address, fields, timeout = 30_000) => request("POST", address, fields, timeout);

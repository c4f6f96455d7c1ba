// The API as this page asks it: key, errors as problems (RFC 9457), and a name for each request that changes something.

const KEY = "logster-api-key";

// relative to the page, for proxies that put the API under a path
const ROOT = new URL("../../", location.href);

/** Which alert the page is about, as its address says. */
export const ALERT_ID = named(location.pathname.slice(location.pathname.lastIndexOf("/") + 1));

function named(written) {
  try {
    return decodeURIComponent(written);
  } catch {
    return written; // half an escape: no alert's id, and the API says so
  }
}

/** What the API refused, or that it did not answer (`status` 0). */
export class Refusal extends Error {
  constructor(status, problem) {
    super(problem.detail ?? problem.title ?? `the API answered ${status}`);
    this.status = status;
  }
}

/** The key that was typed in; null where none was. It lives as long as the tab. */
export function key() {
  return sessionStorage.getItem(KEY);
}

/** Keep a key. */
export function keepKey(written) {
  sessionStorage.setItem(KEY, written);
}

/** Say whether something can be sent as a key at all: a header takes nothing else. */
export function canBeKey(written) {
  return /^[!-~]+$/.test(written);
}

/**
 * Ask the API.
 * @param {string[]} path its parts, written as they are
 * @throws {Refusal}
 */
export async function ask(method, path, { query = {}, body, headers = {} } = {}) {
  const address = new URL(path.map(encodeURIComponent).join("/"), ROOT);
  for (const [name, value] of Object.entries(query)) if (value !== null) address.searchParams.append(name, value);
  const sent = { Accept: "application/json", ...headers };
  if (key() !== null) sent.Authorization = `Bearer ${key()}`;
  if (body !== undefined) sent["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(address, { method, headers: sent, body: body && JSON.stringify(body), cache: "no-store" });
  } catch {
    throw new Refusal(0, { detail: "the API does not answer; is it running, and is there a network?" });
  }
  let said = null;
  try {
    said = await answer.json();
  } catch {
    // a proxy's page, or an answer cut off
  }
  if (!answer.ok) throw new Refusal(answer.status, said ?? {});
  if (said === null) throw new Refusal(0, { detail: "the API's answer broke off" });
  return said;
}

/** An alert's routes. */
export function askAlert(method, below = [], more = {}) {
  return ask(method, ["alerts", ALERT_ID, ...below], more);
}

let unanswered = null; // the last request that may or may not have been done

/**
 * Ask for a change, under a name of its own: sent again after no answer came, it is done once.
 * @throws {Refusal}
 */
export async function change(method, path, body, etag) {
  const what = JSON.stringify([method, path, body]);
  const name = unanswered?.what === what ? unanswered.name : randomName();
  unanswered = { what, name };
  try {
    const said = await ask(method, path, {
      body,
      headers: { "Idempotency-Key": name, ...(etag ? { "If-Match": etag } : {}) },
    });
    unanswered = null;
    return said;
  } catch (refusal) {
    if (refusal.status > 0 && refusal.status < 500) unanswered = null; // it was answered: nothing was done
    throw refusal;
  }
}

function randomName() {
  // crypto.randomUUID is there over TLS and on this machine only
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// The page of one alert: signs in, reads the alert and what lies behind it, and puts the parts together.

import { Actions, WAYS } from "./actions.mjs";
import { drawTimeline } from "./chart.mjs";
import { ALERT_ID, ask, askAlert, canBeKey, keepKey, key } from "./client.mjs";
import { el, part, shown } from "./dom.mjs";
import { RawEvents, drawContributing, drawTechniques } from "./evidence.mjs";
import { drawTree } from "./tree.mjs";
import { percent, plain, utc, words } from "./text.mjs";

const KEYS_OFF = "logster-keys-off";
const AROUND_MINUTES = 30; // of the timeline, as the API's default
const NEAR_MINUTES = 10; // how far apart an alert of a related endpoint may lie
const MOST_RELATED = 20; // endpoints whose alerts are looked for

let caller = null;
let alert = null;
let drawnOf = null; // `updated_at` of the alert whose reasons and evidence are drawn: they change with the pipeline's work only
let nOpened = 0;

const events = new RawEvents(part("events"), (message) => say(message, "refusal"));
const actions = new Actions({
  say,
  onAlert: (changed) => draw(changed),
  reload: async () => draw(await askAlert("GET")),
  signIn: askForKey,
});

/** Say something where it is seen and read out. */
function say(message, kind = "") {
  const box = part("message");
  box.className = kind;
  box.replaceChildren(...(message ? [shown(message)] : []));
}

/** Read everything; what cannot be read says so in its own place. */
async function open() {
  say("Reading the alert …");
  const number = ++nOpened;
  let now;
  try {
    const found = await Promise.all([ask("GET", ["caller"]), askAlert("GET")]);
    if (number !== nOpened) return; // asked for again meanwhile: that answer counts
    [caller, now] = found;
  } catch (refusal) {
    if (number !== nOpened) return;
    part("alert").hidden = true;
    if (refusal.status === 401) askForKey(key() === null ? null : refusal.message);
    else if (refusal.status === 404) say(`Unknown alert: ${refusal.message}`, "refusal");
    else say(refusal.message, "refusal");
    drawCaller();
    return;
  }
  part("sign-in").hidden = true;
  say("");
  drawCaller();
  part("alert").hidden = false; // first: what is hidden has no width to draw into
  drawnOf = null;
  draw(now);
}

/** Read what lies behind an alert. */
function readEvidence(of) {
  evidence("timeline", async (box) => {
    drawTimeline(box, await askAlert("GET", ["timeline"], { query: { around_minutes: AROUND_MINUTES } }), of);
  });
  evidence("tree", async (box) => drawTree(box, await askAlert("GET", ["process-tree"])));
  evidence("events", () => events.open());
  linkRelated(of);
}

async function evidence(id, draw) {
  try {
    await draw(part(id));
  } catch (refusal) {
    part(id).replaceChildren(el("p", { class: "nothing" }, `This could not be read: ${refusal.message} `,
      el("button", { type: "button", onclick: () => evidence(id, draw) }, "Try again")));
  }
}

/** Show the alert as it is now, and what lies behind it where the pipeline has changed it. */
function draw(now) {
  alert = now;
  document.title = plain(`${alert.severity} ${alert.endpoint} · Logster`);
  part("severity").replaceChildren(alert.severity);
  part("severity").className = `severity ${alert.severity}`;
  part("endpoint").replaceChildren(shown(alert.endpoint));
  part("status").replaceChildren(words(alert.status));
  facts();
  if (drawnOf !== alert.updated_at) {
    drawContributing(part("contributing"), alert.contributing_events, (id) => events.show(id));
    drawTechniques(part("techniques"), alert, (id) => events.show(id));
    readEvidence(alert);
    drawnOf = alert.updated_at;
  }
  history();
  actions.draw(alert, caller);
}

function facts() {
  const verdict = alert.feedback.at(-1);
  const given = [
    ["probability", percent(alert.attack_prob)],
    ["status", words(alert.status)],
    ["assignee", alert.assignee === null ? "nobody" : shown(alert.assignee)],
    ["verdict", verdict ? el("span", {}, `${words(verdict.verdict)}, `, shown(verdict.actor)) : "none yet"],
    ["first seen (UTC)", utc(alert.first_seen)],
    ["last seen (UTC)", utc(alert.last_seen)],
    ["windows", String(alert.window_count)],
    ["model", shown(`${alert.model_name} version ${alert.model_version}`)],
    ["tenant", shown(alert.tenant)],
    ["platform", shown(alert.platform)],
  ];
  part("facts").replaceChildren(...given.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
  if (part("related").dataset.of !== alert.related_endpoints.join("\n")) {
    part("related").dataset.of = alert.related_endpoints.join("\n");
    part("related").replaceChildren(...(alert.related_endpoints.length === 0
      ? ["none"] : alert.related_endpoints.map((endpoint) => el("li", {}, shown(endpoint)))));
  }
}

/** Lead from each related endpoint to its alert that is nearest in time. */
async function linkRelated(of) {
  const near = (time, minutes) => new Date(Date.parse(time) + minutes * 60_000).toISOString();
  const span = { from: near(of.first_seen, -NEAR_MINUTES), to: near(of.last_seen, NEAR_MINUTES) };
  const gap = (other) => Math.max(
    Date.parse(other.first_seen) - Date.parse(of.last_seen), Date.parse(of.first_seen) - Date.parse(other.last_seen), 0);
  const items = Array.from(part("related").querySelectorAll("li")).slice(0, MOST_RELATED);
  await Promise.all(items.map(async (item, place) => {
    const endpoint = of.related_endpoints[place];
    try {
      const { alerts } = await ask("GET", ["alerts"], { query: { tenant: of.tenant, endpoint, ...span } });
      const linked = alerts.filter((other) => other.alert_id !== ALERT_ID)
        .map((other) => ({ other, rank: [Number(!other.related_endpoints.includes(of.endpoint)), gap(other)] }))
        .sort((a, b) => a.rank[0] - b.rank[0] || a.rank[1] - b.rank[1]);
      if (linked.length === 0) return;
      const { other } = linked[0];
      item.replaceChildren(el("a", { href: `./${encodeURIComponent(other.alert_id)}` }, shown(endpoint)),
        el("span", { class: "faint" }, ` ${other.severity}, ${words(other.status)}`));
    } catch {
      // the name stays without a link
    }
  }));
}

function history() {
  const changes = alert.history.map((one) => ({
    at: one.changed_at, actor: one.actor, note: one.note,
    what: one.from_status === one.to_status ? "" : `${words(one.from_status)} → ${words(one.to_status)}`,
    assignee: one.assignee,
  }));
  let before = null;
  for (const one of changes) {
    if (one.assignee !== before) one.what += `${one.what && ", "}${one.assignee === null ? "assigned to nobody" : `assigned to ${one.assignee}`}`;
    before = one.assignee;
    one.what ||= one.note ? "note" : "no change";
  }
  const verdicts = alert.feedback.map((one) => ({
    at: one.created_at, actor: one.actor, note: one.comment, what: `verdict: ${words(one.verdict)}`,
  }));
  const all = [{ at: alert.created_at, actor: "the pipeline", note: null, what: "raised" }, ...changes, ...verdicts]
    .sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
  part("history").replaceChildren(el("ol", { class: "history" }, all.map((one) => el("li", {},
    el("span", { class: "faint" }, `${utc(one.at)} `), shown(one.actor), ": ", shown(one.what),
    one.note && el("p", { class: "note" }, shown(one.note, { keep: "\n\t" }))))));
}

// --- who asks

function drawCaller() {
  const named = caller?.is_named ? `${caller.name} (${caller.role}, ${caller.tenant ?? "all tenants"})` : "";
  part("caller").replaceChildren(named ? shown(named) : "");
  part("sign-out").hidden = key() === null;
}

/** Ask for a key in place; what was shown and written stays where it is. */
function askForKey(reason) {
  part("sign-in").hidden = false;
  say(reason === null ? "" : `The key was refused: ${reason}. Give another.`, reason === null ? "" : "refusal");
  part("key").focus();
}

part("sign-in-form").addEventListener("submit", (event) => {
  event.preventDefault(); // the page's policy lets no form be sent
  const written = part("key").value.trim();
  if (!canBeKey(written)) {
    say("That is no API key: it is letters, digits and signs without spaces.", "refusal");
    return;
  }
  part("key").value = "";
  keepKey(written);
  open();
});

part("sign-out").addEventListener("click", () => {
  sessionStorage.clear(); // the key, and notes that were not sent: whoever signs in next would send them in their own name
  location.reload(); // nothing of what was shown stays
});

// --- keys

function next(step) {
  const rows = Array.from(document.querySelectorAll(".event"));
  if (rows.length === 0) return;
  const at = rows.findIndex((row) => row.contains(document.activeElement));
  const row = rows[Math.min(Math.max(at === -1 ? (step > 0 ? 0 : rows.length - 1) : at + step, 0), rows.length - 1)];
  row.focus({ preventScroll: true });
  row.scrollIntoView({ block: "nearest" });
}

function enter(event) {
  const fold = document.activeElement?.matches("tr.event") && document.activeElement.querySelector("button.fold");
  if (!fold) return;
  event.preventDefault();
  fold.click();
}

const KEYS = {
  ...Object.fromEntries(Object.entries(WAYS).map(([status, way]) => [way.key, () => actions.move(status)])),
  m: () => actions.assignToMe(),
  n: () => (part("work").hidden ? actions.addNote() : part("note").focus()),
  v: () => (part("work").hidden ? actions.judge("true_positive") : part("true-positive").focus()),
  j: () => next(1),
  k: () => next(-1),
  Enter: enter,
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.repeat || event.isComposing) return;
  if (event.target.closest("input, textarea, select")) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (part("help").open) return;
  if (event.key === "?") {
    event.preventDefault();
    part("help").showModal();
    return;
  }
  if (part("alert").hidden || part("keys-off").checked) return;
  const act = KEYS[event.key];
  if (!act) return;
  if (event.key !== "Enter") event.preventDefault(); // or the letter would be written where the focus goes
  act(event);
});

part("keys-off").checked = localStorage.getItem(KEYS_OFF) === "yes";
part("keys-off").addEventListener("change", () => {
  if (part("keys-off").checked) localStorage.setItem(KEYS_OFF, "yes");
  else localStorage.removeItem(KEYS_OFF);
});
part("help-open").addEventListener("click", () => part("help").showModal());
part("help-close").addEventListener("click", () => part("help").close());
part("reload").addEventListener("click", () => open());

open();

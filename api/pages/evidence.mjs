// Why the alert was raised: contributing events, techniques, and the raw events in pages.

import { askAlert } from "./client.mjs";
import { clipped, el, part, shown, svg } from "./dom.mjs";
import { attackAddress, counted, explained, quoted, subjectOf, utc, words } from "./text.mjs";

const PAGE = 50;

/** The contributing events with their weights; `onShow(eventId)` is called for an event's raw form. */
export function drawContributing(box, events, onShow) {
  if (events.length === 0) {
    box.replaceChildren(el("p", { class: "nothing" }, "The model named no events."));
    return;
  }
  const heaviest = Math.max(...events.map((event) => Math.abs(event.weight ?? 0)), Number.MIN_VALUE);
  box.replaceChildren(el("ol", { class: "contributing-events" }, events.map((event) =>
    el("li", { class: "event", tabindex: "-1", "data-event": event.event_id },
      bar(Math.abs(event.weight ?? 0) / heaviest),
      el("span", { class: "weight" }, event.weight === null ? "no weight" : event.weight.toFixed(3)),
      el("div", { class: "sentence" }, clipped(event.summary ?? "an event without a summary")),
      event.event_id !== null && el("button", { type: "button", class: "quiet", onclick: () => onShow(event.event_id) }, "raw event")))));
}

function bar(share) {
  return svg("svg", { class: "weight-bar", viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" },
    svg("rect", { class: "weight-all", width: 100, height: 10 }),
    svg("rect", { class: "weight-part", width: Math.max(share * 100, 0.5), height: 10 }));
}

/** Techniques, each with the sentences that name it. */
export function drawTechniques(box, alert, onShow) {
  if (alert.ttp_techniques.length === 0 && alert.ttp_explanations.length === 0) {
    box.replaceChildren(el("p", { class: "nothing" }, "No rule matched: no technique is named."));
    return;
  }
  const told = alert.ttp_explanations.map((sentence) => explained(sentence) ?? { sentence, techniques: [] });
  const names = new Map(told.flatMap((one) => one.techniques.map((technique) => [technique.id, technique.name])));
  const others = told.filter((one) => !one.techniques.some((technique) => alert.ttp_techniques.includes(technique.id)));
  box.replaceChildren(
    el("p", {}, "Tactics: ", alert.ttp_tactics.length > 0 ? shown(alert.ttp_tactics.map(words).join(", ")) : "none"),
    ...alert.ttp_techniques.map((id) => el("div", { class: "technique" },
      el("h3", {}, link(id), " ", shown(names.get(id) ?? "")),
      el("ul", {}, told.filter((one) => one.techniques.some((technique) => technique.id === id)).map((one) => reason(one, onShow))))),
    ...(others.length > 0 ? [el("div", { class: "technique" },
      el("h3", {}, "Rules that name no technique"), el("ul", {}, others.map((one) => reason(one, onShow))))] : []));
}

function link(id) {
  const address = attackAddress(id);
  return address === null ? shown(id) : el("a", { href: address, rel: "noopener noreferrer" }, id);
}

function reason(one, onShow) {
  const { before, quote, after } = quoted(one.sentence);
  return el("li", {}, shown(before), quote === null ? null : clipped(quote), shown(after),
    one.rule !== undefined && el("div", { class: "faint" }, `level ${one.level}, rule `, shown(one.rule),
      one.nMore > 0 ? `, and ${counted(one.nMore, "more event")}` : "", " ",
      el("button", { type: "button", class: "quiet", onclick: () => onShow(one.eventId) }, "raw event")));
}

/** The raw events, a page at a time. */
export class RawEvents {
  #box;
  #say;
  #starts = [null]; // cursors of the pages up to the one that is shown

  constructor(box, say) {
    this.#box = box;
    this.#say = say;
  }

  /** Load the first page. */
  async open() {
    this.#starts = [null];
    await this.#load();
  }

  /** Unfold an event and go to it, also from another page than the first, where contributing events are. */
  async show(eventId) {
    if (!this.#row(eventId) && this.#starts.length > 1) await this.open();
    const row = this.#row(eventId);
    if (!row) {
      this.#say("That event is not on the first page of raw events, or is not in the lake any more.");
      return;
    }
    row.querySelector("button.fold").dispatchEvent(new CustomEvent("unfold"));
    row.focus();
    row.scrollIntoView({ block: "center" });
  }

  #row(eventId) {
    return Array.from(this.#box.querySelectorAll("tr.event")).find((row) => row.dataset.event === eventId);
  }

  async #load() {
    const page = await askAlert("GET", ["events"], { query: { limit: PAGE, cursor: this.#starts.at(-1) } });
    this.#draw(page);
  }

  async #turn(change, back) {
    const before = [...this.#starts];
    change();
    try {
      await this.#load();
      part("events-title").focus();
    } catch (refusal) {
      this.#starts = before;
      this.#say(`The page of events could not be read: ${refusal.message}`);
      back();
    }
  }

  #draw(page) {
    if (page.events.length === 0) {
      this.#box.replaceChildren(el("p", { class: "nothing" }, "The lake holds no events of the alert's span."));
      return;
    }
    const number = this.#starts.length;
    const turn = (label, isThere, change) => isThere && el("button", {
      type: "button",
      onclick: (click) => {
        const button = click.currentTarget;
        button.disabled = true;
        this.#turn(change, () => { button.disabled = false; });
      },
    }, label);
    this.#box.replaceChildren(
      el("table", { class: "events" },
        el("thead", {}, el("tr", {}, ["", "time (UTC)", "event", "process", "about"].map((name) =>
          el("th", { scope: "col" }, name || el("span", { class: "unseen" }, "fields"))))),
        el("tbody", {}, page.events.map(rows).flat())),
      el("p", { class: "bar" },
        turn("First page", number > 1, () => { this.#starts = [null]; }), " ",
        turn("Page before", number > 1, () => { this.#starts.pop(); }), " ",
        el("span", {}, `page ${number}`), " ",
        turn("Next page", page.next_cursor !== null, () => { this.#starts.push(page.next_cursor); })));
  }
}

function rows(event) {
  const below = el("tr", { class: "fields", hidden: true });
  const button = el("button", { type: "button", class: "fold", "aria-expanded": "false", "aria-label": "All fields of this event" }, "▸");
  const set = (open) => {
    if (open && !below.hasChildNodes()) below.append(el("td", { colspan: 5 }, fields(event)));
    below.hidden = !open;
    button.setAttribute("aria-expanded", String(open));
    button.replaceChildren(open ? "▾" : "▸");
  };
  button.addEventListener("click", () => set(below.hidden));
  button.addEventListener("unfold", () => set(true));
  const row = el("tr", { class: event.is_contributing ? "event contributing" : "event", tabindex: "-1", "data-event": event.event_id },
    el("td", {}, button),
    el("td", { class: "time" }, utc(event.ts)),
    el("td", {}, shown(words(event.action)), " ", event.is_contributing && el("span", { class: "badge" }, "◆ contributing")),
    el("td", {}, event.process_name === null ? null : shown(event.process_name),
      event.process_pid === null ? null : el("span", { class: "faint" }, ` ${event.process_pid}`)),
    el("td", {}, clipped(subjectOf(event))));
  return [row, below];
}

function fields(event) {
  const { fields: others, ...columns } = event;
  const given = [...Object.entries(columns), ...Object.entries(others ?? {}).map(([name, value]) => [`fields.${name}`, value])]
    .filter(([, value]) => value !== null);
  return el("dl", { class: "all-fields" }, given.map(([name, value]) =>
    [el("dt", {}, shown(name)), el("dd", {}, clipped(Array.isArray(value) ? value.join(", ") : String(value)))]).flat());
}

// What an analyst can do to the alert: the buttons, what is sent, and what is said when the API refuses.

import { ALERT_ID, change } from "./client.mjs";
import { el, part } from "./dom.mjs";
import { words } from "./text.mjs";

/** Where an alert may go, which key takes it there, and what is said then; which of them are allowed now the API says. */
export const WAYS = {
  acknowledged: { key: "a", label: "Acknowledge", done: "Acknowledged." },
  investigating: { key: "i", label: "Investigate", done: "Under investigation." },
  resolved: { key: "r", label: "Resolve", done: "Resolved." },
  false_positive: { key: "f", label: "False positive", done: "Closed as a false positive." },
  open: { key: "o", label: "Back to the queue", done: "Back in the queue." },
};

const ACTOR = "logster-actor";
const NOTE = `logster-note:${ALERT_ID}`;

/** The buttons over one alert. */
export class Actions {
  #say;
  #onAlert;
  #reload;
  #signIn;
  #alert = null;
  #caller = null;
  #isBusy = false;

  /**
   * @param say(message, kind) says what became of it
   * @param onAlert(alert) takes the alert as it is after a change
   * @param reload() reads the alert anew, and may be refused
   * @param signIn(reason) asks for a key
   */
  constructor({ say, onAlert, reload, signIn }) {
    this.#say = say;
    this.#onAlert = onAlert;
    this.#reload = reload;
    this.#signIn = signIn;
    const note = part("note");
    note.value = sessionStorage.getItem(NOTE) ?? "";
    note.addEventListener("input", () => sessionStorage.setItem(NOTE, note.value));
    part("actor").value = localStorage.getItem(ACTOR) ?? "";
    part("actor").addEventListener("change", () => localStorage.setItem(ACTOR, part("actor").value.trim()));
    part("note-form").addEventListener("submit", (event) => this.#submitted(event, () => this.addNote()));
    part("assign-form").addEventListener("submit", (event) => this.#submitted(event, () => this.assign(part("assignee").value.trim())));
    part("assign-me").addEventListener("click", () => this.assignToMe());
    part("unassign").addEventListener("click", () => this.assign(null));
    part("true-positive").addEventListener("click", () => this.judge("true_positive"));
    part("false-positive").addEventListener("click", () => this.judge("false_positive"));
  }

  #submitted(event, act) {
    event.preventDefault(); // the page's policy lets no form be sent
    act();
  }

  /** Show what is possible for this caller on this alert. */
  draw(alert, caller) {
    const held = document.activeElement;
    this.#alert = alert;
    this.#caller = caller;
    part("work").hidden = !caller.may_change;
    part("no-work").hidden = caller.may_change;
    part("no-work").replaceChildren(`Your key's role is '${caller.role}': it may look, not change. Changes take an analyst's key.`);
    part("actor-field").hidden = caller.is_named;
    part("unassign").hidden = alert.assignee === null;
    part("assignee").value = "";
    const order = Object.keys(WAYS); // onward before back
    const ways = alert.allowed_statuses.toSorted((a, b) => order.indexOf(a) - order.indexOf(b)).map((status) => el("button", {
      type: "button", "data-status": status, "aria-keyshortcuts": WAYS[status]?.key, onclick: () => this.move(status),
    }, WAYS[status]?.label ?? words(status), WAYS[status] && el("kbd", {}, WAYS[status].key)));
    part("ways").replaceChildren(...ways);
    // a button that was pressed and is gone must not take the keyboard's place on the page with it
    if (held && held !== document.body && !held.isConnected) ways[0]?.focus({ preventScroll: true });
  }

  /** Take the alert to a status; a note in the box goes along. */
  async move(status) {
    if (!this.#mayStart()) return;
    if (!this.#alert.allowed_statuses.includes(status)) {
      const ways = this.#alert.allowed_statuses.map(words).join(", ");
      this.#say(`An alert that is ${words(this.#alert.status)} cannot become ${words(status)}; it may become: ${ways}.`, "refusal");
      return;
    }
    await this.#patch({ status, ...this.#note("note") }, WAYS[status]?.done ?? `Now ${words(status)}.`);
  }

  /** Add what is in the box. */
  async addNote() {
    if (!this.#mayStart()) return;
    if (part("note").value.trim() === "") {
      this.#say("Write the note first.", "refusal");
      part("note").focus();
      return;
    }
    await this.#patch(this.#note("note"), "The note is kept.");
  }

  /** Say who works on it; null: nobody. */
  async assign(name) {
    if (!this.#mayStart()) return;
    if (name === "") {
      this.#say("Say who shall work on it.", "refusal");
      part("assignee").focus();
      return;
    }
    await this.#patch({ assignee: name, ...this.#note("note") }, name === null ? "Nobody works on it now." : `Assigned to ${name}.`);
  }

  /** Take the alert oneself. */
  async assignToMe() {
    if (!this.#mayStart()) return;
    const name = this.#caller.is_named ? this.#caller.name : part("actor").value.trim();
    if (name === "") {
      this.#say("Say who you are first.", "refusal");
      part("actor").focus();
      return;
    }
    await this.assign(name);
  }

  /** Give a verdict; what is in the box goes along as its comment. */
  async judge(verdict) {
    if (!this.#mayStart()) return;
    const body = { alert_id: ALERT_ID, verdict, ...this.#note("comment"), ...this.#actor() };
    await this.#send(async () => {
      await change("POST", ["feedback"], body);
      this.#forgetNote(body.comment);
      const kept = `Your verdict is kept: ${words(verdict)}.`;
      try {
        await this.#reload();
        this.#say(kept, "success");
      } catch (trouble) {
        this.#say(`${kept} The alert could not be read anew: ${trouble.message}`, "success");
      }
    });
  }

  async #patch(body, done) {
    await this.#send(async () => {
      const alert = await change("PATCH", ["alerts", ALERT_ID], { ...body, ...this.#actor() }, this.#alert.etag);
      this.#forgetNote(body.note);
      this.#onAlert(alert);
      this.#say(done, "success");
    });
  }

  async #send(act) {
    this.#isBusy = true;
    part("work").setAttribute("aria-busy", "true");
    try {
      await act();
    } catch (refusal) {
      await this.#explain(refusal);
    } finally {
      this.#isBusy = false;
      part("work").removeAttribute("aria-busy");
    }
  }

  /** Say what was refused. What was written stays in the box: nothing but an answer that it was kept empties it. */
  async #explain(refusal) {
    const kept = part("note").value ? " What you wrote is still in the box." : "";
    if (refusal.status === 401) {
      this.#signIn(refusal.message);
    } else if (refusal.status === 412 || refusal.status === 409) {
      const why = refusal.status === 412 ? "Somebody else, or the pipeline, changed the alert since you read it" : `Refused: ${refusal.message}`;
      try {
        await this.#reload();
        this.#say(`${why}. Nothing of yours was changed.${kept} The alert is shown as it is now: look, and decide anew.`, "refusal");
      } catch (trouble) {
        this.#say(`${why}. Nothing of yours was changed.${kept} It could not be read anew: ${trouble.message}`, "refusal");
      }
    } else if (refusal.status === 0 || refusal.status >= 500) {
      this.#say(`It is not known whether that was done: ${refusal.message}.${kept} Press again: it is done once.`, "refusal");
    } else {
      this.#say(`Refused: ${refusal.message}.${kept}`, "refusal");
    }
  }

  #mayStart() {
    if (this.#isBusy || this.#alert === null) return false;
    if (!this.#caller.may_change) {
      this.#say(part("no-work").textContent, "refusal");
      return false;
    }
    return true;
  }

  #note(name) {
    const written = part("note").value;
    return written.trim() === "" ? {} : { [name]: written };
  }

  #actor() {
    const name = part("actor").value.trim();
    return this.#caller.is_named || name === "" ? {} : { actor: name };
  }

  /** Empty the box, unless more was written while the request was on its way. */
  #forgetNote(sent) {
    if (sent === undefined || part("note").value !== sent) return;
    part("note").value = "";
    sessionStorage.removeItem(NOTE);
  }
}

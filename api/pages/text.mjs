// Text from telemetry, made safe to look at. Pure; nothing of a browser is used, so that tests run it by itself.
//
// That it cannot become markup is seen to where it is put (text nodes, dom.mjs). Here is what a person could still be deceived
// by: characters that move the cursor, turn the direction of text around, or cannot be seen.

// control, format, unassigned, private characters and lone surrogates; line and paragraph separators; every space but the plain
// one; letters that are drawn as nothing; a fourth accent on one letter, and what follows
const UNSEEN =
  /[\p{C}\p{Zl}\p{Zp}\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\u{fe00}-\u{fe0f}\u{e0100}-\u{e01ef}]|(?! )\p{Zs}|(?<=\p{M}{3})\p{M}/gu;

const SHORT = new Map([["\n", "\\n"], ["\r", "\\r"], ["\t", "\\t"], ["\0", "\\0"]]);

/** A character written out: `\n`, `\u202e`, `\u{e0100}`. */
export function escaped(character) {
  const hex = character.codePointAt(0).toString(16);
  return SHORT.get(character) ?? (hex.length > 4 ? `\\u{${hex}}` : `\\u${hex.padStart(4, "0")}`);
}

/**
 * Cut text into what can be shown as it is and what was written out.
 * @param {string} text
 * @param {string} keep characters that stay though they cannot be seen: a note's line breaks and tabs
 * @returns {{text: string, isEscape: boolean}[]}
 */
export function pieces(text, keep = "") {
  const found = [];
  const add = (part, isEscape) => {
    const last = found.at(-1);
    if (last && last.isEscape === isEscape) last.text += part;
    else if (part) found.push({ text: part, isEscape });
  };
  let end = 0;
  for (const match of text.matchAll(UNSEEN)) {
    if (keep.includes(match[0])) continue;
    add(text.slice(end, match.index), false);
    add(escaped(match[0]), true);
    end = match.index + match[0].length;
  }
  add(text.slice(end), false);
  return found;
}

/** The same as one string, for where there is no room for markup: titles, labels. */
export function plain(text) {
  return pieces(text).map((piece) => piece.text).join("");
}

/** The first `most` UTF-16 units of a text, without half a character at the end. */
export function start(text, most) {
  if (text.length <= most) return text;
  const last = text.charCodeAt(most - 1);
  return text.slice(0, last >= 0xd800 && last < 0xdc00 ? most - 1 : most);
}

/** A time of the API's (ISO 8601, UTC) to the second, as people read it. */
export function utc(time) {
  return time.slice(0, 19).replace("T", " ");
}

/** A probability in per cent; never rounded up, for 100 % would be certain. */
export function percent(probability) {
  return `${(Math.floor(probability * 1000 + 1e-9) / 10).toFixed(1)} %`;
}

/** Names of the API's as words. */
export function words(name) {
  return name.replaceAll("_", " ");
}

/** So many things, in words. */
export function counted(number, thing, things = `${thing}s`) {
  return `${number} ${number === 1 ? thing : things}`;
}

/** A sentence of the pipeline's: what is said, the event's own text that it quotes, and the rest. */
export function quoted(sentence) {
  const [first, last] = [sentence.indexOf("`"), sentence.lastIndexOf("`")];
  if (first === last) return { before: sentence, quote: null, after: "" };
  return { before: sentence.slice(0, first), quote: sentence.slice(first + 1, last), after: sentence.slice(last + 1) };
}

const SENTENCE =
  /^([^]*) \((informational|low|medium|high|critical), ([^;]*); rule ([^,]*), event ([^ ]+?)(?: and (\d+) more)?\)\.$/;
const TECHNIQUE = /^(T\d{4}(?:\.\d{3})?) ?([^]*)$/;

/**
 * An ATT&CK sentence of the pipeline's, taken apart; the greedy start leaves an intruder's text no say in what follows.
 * @returns {{sentence, level, techniques: {id, name}[], rule, eventId, nMore} | null} null where it is of another form
 */
export function explained(sentence) {
  const match = SENTENCE.exec(sentence);
  if (!match) return null;
  const [, said, level, named, rule, eventId, more] = match;
  const techniques = named.split(", ").map((one) => TECHNIQUE.exec(one)).filter(Boolean)
    .map(([, id, name]) => ({ id, name }));
  return { sentence: `${said}.`, level, techniques, rule, eventId, nMore: Number(more ?? 0) };
}

/** Where MITRE describes a technique; null for what is no technique's id. */
export function attackAddress(id) {
  return /^T\d{4}(\.\d{3})?$/.test(id) ? `https://attack.mitre.org/techniques/${id.replace(".", "/")}/` : null;
}

/** What an event was about, as the pipeline's sentences say it: the command, file, address or registry value. */
export function subjectOf(event) {
  const address = [event.dst_domain ?? event.dst_ip ?? event.src_ip, event.dst_port].filter((part) => part != null).join(":");
  const registry = [event.registry_key, event.registry_value].filter((part) => part != null).join(" = ");
  const ofProcess = event.action === "process_created" ? event.command_line
    : event.target_path ?? event.target_name ?? event.file_path ?? event.command_line;
  const byCategory = { process: ofProcess, script: event.script_text, registry, network: address };
  const found = event.category in byCategory ? byCategory[event.category]
    : event.file_path ?? event.command_line ?? event.script_text ?? event.privilege;
  return found || event.command_line || "";
}

// The probability of an endpoint's windows over time: a line, the threshold, the alert's span, its own windows as diamonds.

import { el, svg } from "./dom.mjs";
import { percent, plain, utc } from "./text.mjs";

const HEIGHT = 210;
const EDGE = { left: 42, right: 12, top: 22, bottom: 26 };
const MOST_MARKS = 400; // more windows than this are a line, and only the alert's own are marked
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440].map((minutes) => minutes * 60_000);

/**
 * Where things are drawn.
 * @returns {{x: (time: number) => number, y: (probability: number) => number, ticks: number[]}} ticks: times (ms) on round minutes
 */
export function scales(from, to, width) {
  const inner = Math.max(width - EDGE.left - EDGE.right, 1);
  const span = Math.max(to - from, 1);
  const step = STEPS.find((one) => (span / one) * 62 <= inner) ?? Math.ceil((span / inner) * 62 / STEPS.at(-1)) * STEPS.at(-1);
  const ticks = [];
  for (let time = Math.ceil(from / step) * step; time <= to; time += step) ticks.push(time);
  return {
    x: (time) => EDGE.left + ((time - from) / span) * inner,
    y: (probability) => EDGE.top + (1 - probability) * (HEIGHT - EDGE.top - EDGE.bottom),
    ticks,
  };
}

/** Draw into a figure, and again whenever its width changes. */
export function drawTimeline(figure, timeline, alert) {
  if (timeline.windows.length === 0) {
    figure.replaceChildren(el("p", { class: "nothing" }, "The lake holds no scored windows of this endpoint around the alert."));
    return;
  }
  const drawing = el("div", { class: "drawing" });
  figure.replaceChildren(drawing, caption(timeline), table(timeline));
  let drawn = 0;
  const draw = () => {
    const width = Math.max(Math.floor(drawing.clientWidth), 240);
    if (width === drawn) return;
    drawn = width;
    drawing.replaceChildren(picture(timeline, alert, width));
  };
  new ResizeObserver(draw).observe(drawing);
  draw();
}

function picture(timeline, alert, width) {
  const windows = timeline.windows.map((one) => ({
    ...one, start: Date.parse(one.window_start), end: Date.parse(one.window_end),
  }));
  const span = [Date.parse(alert.first_seen), Date.parse(alert.last_seen)];
  const { x, y, ticks } = scales(Math.min(windows[0].start, span[0]), Math.max(windows.at(-1).end, span[1]), width);
  const bottom = HEIGHT - EDGE.bottom;
  const right = width - EDGE.right;
  const middle = (one) => x((one.start + one.end) / 2);
  const own = windows.filter((one) => one.is_in_alert);
  const highest = Math.max(...windows.map((one) => one.attack_prob));
  const label = `Probability of ${windows.length} windows from ${utc(timeline.windows[0].window_start)} to ` +
    `${utc(timeline.windows.at(-1).window_end)} UTC: highest ${percent(highest)}, ${own.length} of them raised this alert, ` +
    `threshold ${percent(timeline.threshold)}.`;
  const left = Math.min(Math.max((x(span[0]) + x(span[1])) / 2, EDGE.left + 30), right - 30);
  return svg("svg", { width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": label },
    svg("rect", {
      class: "span", x: x(span[0]), y: EDGE.top, width: Math.max(x(span[1]) - x(span[0]), 2), height: bottom - EDGE.top,
    }),
    svg("text", { class: "span-label", x: left, y: EDGE.top - 7, "text-anchor": "middle" }, "this alert"),
    [0, 0.25, 0.5, 0.75, 1].map((share) => [
      svg("line", { class: "grid", x1: EDGE.left, x2: right, y1: y(share), y2: y(share) }),
      svg("text", { x: EDGE.left - 6, y: y(share) + 4, "text-anchor": "end" }, `${share * 100} %`),
    ]).flat(),
    ticks.map((time) => [
      svg("line", { class: "grid", x1: x(time), x2: x(time), y1: bottom, y2: bottom + 4 }),
      svg("text", { x: x(time), y: HEIGHT - 8, "text-anchor": "middle" }, new Date(time).toISOString().slice(11, 16)),
    ]).flat(),
    svg("polyline", {
      class: "line", points: windows.map((one) => `${middle(one).toFixed(1)},${y(one.attack_prob).toFixed(1)}`).join(" "),
    }),
    svg("line", {
      class: "threshold", x1: EDGE.left, x2: right, y1: y(timeline.threshold), y2: y(timeline.threshold),
    }),
    (windows.length > MOST_MARKS ? own : windows).map((one) => mark(one, middle(one), y(one.attack_prob))),
  );
}

function mark(one, x, y) {
  const title = svg("title", {}, `${utc(one.window_start)} UTC: ${percent(one.attack_prob)}, ` +
    plain(`${one.model_name} ${one.model_version}`) + (one.is_in_alert ? ", raised this alert" : ""));
  return one.is_in_alert
    ? svg("path", { class: "own", d: `M${x} ${y - 6}L${x + 6} ${y}L${x} ${y + 6}L${x - 6} ${y}Z` }, title)
    : svg("circle", { class: "other", cx: x, cy: y, r: 2.5 }, title);
}

function caption(timeline) {
  return el("figcaption", {},
    "Times are UTC. ◆ windows that raised this alert, • other windows of the endpoint, dashed: ",
    `the threshold of ${percent(timeline.threshold)}.`, timeline.is_cut ? " There are later windows that are not shown." : "");
}

function table(timeline) {
  const cells = (one) => [utc(one.window_start), percent(one.attack_prob), one.verdict, one.is_in_alert ? "yes" : "",
    plain(`${one.model_name} ${one.model_version}`)];
  const box = el("details", {}, el("summary", {}, "The same as a table"));
  box.addEventListener("toggle", () => {
    if (box.querySelector("table")) return;
    box.append(el("div", { class: "wide", tabindex: "0", role: "region", "aria-label": "Windows as a table" },
      el("table", {},
        el("thead", {}, el("tr", {}, ["window from (UTC)", "probability", "verdict", "raised this alert", "model"]
          .map((name) => el("th", { scope: "col" }, name)))),
        el("tbody", {}, timeline.windows.map((one) => el("tr", {}, cells(one).map((cell) => el("td", {}, cell))))))));
  });
  return box;
}

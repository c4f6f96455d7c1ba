// The processes of an alert as a nested list that can be folded.

import { clipped, el, shown } from "./dom.mjs";
import { counted, plain, utc } from "./text.mjs";

const ALL_OPEN = 40; // so many processes are seen at a glance; of more, only what leads to contributing ones is unfolded
const DEEPEST = 10; // levels that are indented; on a narrow screen more would leave no room for the text

/**
 * Link processes to their children. Pure.
 * @param {object[]} nodes as the API gives them: a parent comes before its children
 * @returns {object[]} roots; each node has `children`, `nBelow` and `nContributingBelow`
 */
export function linked(nodes) {
  const all = nodes.map((node) => ({ ...node, children: [], nBelow: 0, nContributingBelow: 0 }));
  const byId = new Map(all.map((node) => [node.id, node]));
  const parentOf = (node) => (node.parent_id === null ? undefined : byId.get(node.parent_id));
  for (const node of all) parentOf(node)?.children.push(node);
  for (const node of all.toReversed()) {
    const parent = parentOf(node);
    if (!parent) continue;
    parent.nBelow += 1 + node.nBelow;
    parent.nContributingBelow += Number(node.is_contributing) + node.nContributingBelow;
  }
  return all.filter((node) => !parentOf(node));
}

/** Draw the tree into a box. */
export function drawTree(box, tree) {
  if (tree.nodes.length === 0) {
    box.replaceChildren(el("p", { class: "nothing" }, "The lake holds no processes of the alert's span."));
    return;
  }
  const isOpen = (node) => tree.nodes.length <= ALL_OPEN || node.nContributingBelow > 0;
  const list = el("ul", { class: "tree", "aria-label": "Process tree" });
  // a loop, not a recursion: a chain of processes may be as deep as the tree is large
  const waiting = linked(tree.nodes).toReversed().map((node) => ({ node, into: list, depth: 0 }));
  const folds = [];
  while (waiting.length > 0) {
    const { node, into, depth } = waiting.pop();
    const below = node.children.length > 0 ? el("ul", { class: depth < DEEPEST ? null : "flat" }) : null;
    const fold = below && foldOf(node, below, isOpen(node));
    if (fold) folds.push(fold);
    into.append(row(node, depth, fold, below));
    waiting.push(...node.children.toReversed().map((child) => ({ node: child, into: below, depth: depth + 1 })));
  }
  const shownOf = tree.is_cut ? `${tree.nodes.length} of ` : "";
  const n = counted(tree.n_processes, "process", "processes");
  const all = (open) => () => folds.forEach((fold) => fold.set(open));
  box.replaceChildren(
    el("p", { class: "bar" }, `${shownOf}${n}, ${tree.nodes.filter((node) => node.is_contributing).length} of them with ` +
      "contributing events (◆). ",
      el("button", { type: "button", onclick: all(true) }, "Unfold all"), " ",
      el("button", { type: "button", onclick: all(false) }, "Fold all"), " ",
      el("button", { type: "button", onclick: () => folds.forEach((fold) => fold.set(fold.leads)) }, "Only what leads to ◆")),
    list);
}

function foldOf(node, below, isOpen) {
  const button = el("button", { type: "button", class: "fold" });
  const set = (open) => {
    below.hidden = !open;
    button.setAttribute("aria-expanded", String(open));
    const rest = node.nContributingBelow ? `, ${node.nContributingBelow} ◆` : "";
    button.replaceChildren(open ? "▾" : `▸ ${node.nBelow} below${rest}`);
    button.setAttribute("aria-label", `${open ? "Fold" : "Unfold"} ${counted(node.nBelow, "process", "processes")} below ${plain(node.name ?? node.id)}`);
  };
  button.addEventListener("click", () => set(below.hidden));
  set(isOpen);
  return { button, set, leads: node.nContributingBelow > 0 };
}

function row(node, depth, fold, below) {
  const facts = [
    node.pid === null ? null : `pid ${node.pid}`,
    depth > DEEPEST ? `level ${depth + 1}` : null,
    counted(node.n_events, "event"),
    `from ${utc(node.first_seen).slice(11)}`,
  ].filter(Boolean).join(" · ");
  const path = node.name !== null && node.path !== node.name ? node.path : null;
  return el("li", {},
    el("div", { class: node.is_contributing ? "process contributing" : "process" },
      el("div", { class: "who" },
        fold && fold.button,
        el("strong", {}, node.name === null ? shown(node.path ?? node.id, { code: true }) : shown(node.name)),
        node.is_contributing && el("span", { class: "badge" }, "◆ contributing"),
        el("span", { class: "faint" }, facts, node.user === null ? "" : " · ", node.user === null ? null : shown(node.user))),
      node.command_line === null ? path && el("div", { class: "faint" }, clipped(path)) : clipped(node.command_line)),
    below);
}

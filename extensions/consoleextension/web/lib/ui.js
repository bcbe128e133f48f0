// The parts that views are made of.
import {el, put, svg} from "./dom.js";

// panel is a box with a heading.
export function panel(title, ...children) {
  return el("section", {class: "panel"}, title && el("h2", {}, title), ...children);
}

// note says something about the view: kind is info, good, warn or bad.
export function note(kind, ...children) { return el("div", {class: "note " + kind, role: kind === "bad" ? "alert" : undefined}, el("div", {}, ...children)); }

// empty says that there is nothing, and what to do next.
export function empty(title, ...next) { return el("div", {class: "empty"}, el("p", {class: "big"}, title), ...next.map((n) => n instanceof Node ? n : el("p", {}, n))); }

// failed shows an error.
export function failed(error, retry) {
  return note("bad", el("strong", {}, error.message || String(error)), retry && el("p", {}, el("button", {on: {click: retry}}, "Try again")));
}

// code is text to copy.
export function code(text) {
  const button = el("button", {class: "copy", title: "Copy", on: {click: async () => {
    try { await navigator.clipboard.writeText(text); button.textContent = "Copied"; } catch { button.textContent = "Select and copy"; }
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  }}}, "Copy");
  return el("div", {class: "code"}, el("pre", {tabindex: 0}, text), button);
}

// pill is a word with a colour: good, warn, bad, info or none.
export function pill(kind, text, title) { return el("span", {class: "pill " + kind, title}, text); }

// bar shows a share of a whole; its colour changes at 80 % and at all of it.
export function bar(share, label) {
  const known = Number.isFinite(share);
  const kind = !known ? "" : share >= 1 ? "bad" : share >= 0.8 ? "warn" : "good";
  return el("div", {class: "bar " + kind, role: "img", "aria-label": label || (known ? Math.round(share * 100) + " %" : "no limit")},
    el("i", {css: {width: (known ? Math.min(1, Math.max(0, share)) * 100 : 0) + "%"}}));
}

// spark is a small line of values; nulls are gaps.
export function spark(values, title) {
  const w = 96, h = 22;
  const known = values.filter((v) => v !== null && Number.isFinite(v));
  const picture = svg("svg", {class: "spark", viewBox: `0 0 ${w} ${h}`, preserveAspectRatio: "none", role: "img", "aria-label": title || "course"});
  if (known.length < 2) return picture;
  const max = Math.max(...known, 1e-9);
  let path = "", down = false;
  values.forEach((v, i) => {
    if (v === null || !Number.isFinite(v)) { down = false; return; }
    path += (down ? "L" : "M") + (i / (values.length - 1) * w).toFixed(1) + " " + (h - 1.5 - v / max * (h - 3)).toFixed(1);
    down = true;
  });
  picture.append(svg("path", {d: path, fill: "none", "vector-effect": "non-scaling-stroke"}));
  return picture;
}

// table has columns {key, title, num, cell(row), sort(row)} and can be sorted by its headings. options: empty, sort, desc, row(row) → attributes, limit.
export function table(columns, rows, options = {}) {
  if (rows.length === 0) return options.empty instanceof Node ? options.empty : empty(options.empty || "Nothing here.");
  let by = options.sort, desc = options.desc ?? true, limit = options.limit || 200;
  const box = el("div", {class: "scroll", tabindex: 0, role: "region", "aria-label": options.label || "Table"});
  const value = (column, row) => column.sort ? column.sort(row) : row[column.key];
  const draw = () => {
    const column = columns.find((c) => c.key === by);
    const sorted = column ? [...rows].sort((a, b) => {
      const x = value(column, a), y = value(column, b);
      const order = typeof x === "number" && typeof y === "number" ? x - y : String(x ?? "").localeCompare(String(y ?? ""));
      return desc ? -order : order;
    }) : rows;
    put(box, el("table", {},
      el("thead", {}, el("tr", {}, columns.map((c) => el("th", {class: c.num ? "num" : "", scope: "col", "aria-sort": by === c.key ? (desc ? "descending" : "ascending") : undefined},
        c.title === "" || c.fixed ? c.title : el("button", {on: {click: () => { desc = by === c.key ? !desc : Boolean(c.num); by = c.key; draw(); }}}, c.title, by === c.key ? (desc ? " ↓" : " ↑") : ""))))),
      el("tbody", {}, sorted.slice(0, limit).map((row) => el("tr", options.row ? options.row(row) : {}, columns.map((c) => el("td", {class: (c.num ? "num " : "") + (c.class || "")}, c.cell ? c.cell(row) : row[c.key]))))),
    ), sorted.length > limit && el("p", {class: "muted"}, `${limit} of ${sorted.length} rows. `, el("button", {class: "quiet", on: {click: () => { limit += 500; draw(); }}}, "Show more")));
  };
  draw();
  return box;
}

// field is an input with its label.
export function field(label, input, help) {
  return el("label", {class: "field"}, el("span", {}, label), input, help && el("small", {}, help));
}

// select chooses one of the options; label names it where no field does.
export function select(options, value, change, label) {
  return el("select", {"aria-label": label, on: {change: (event) => change && change(event.target.value)}},
    options.map((o) => { const [v, text] = Array.isArray(o) ? o : [o, o]; return el("option", {value: v, selected: v === value}, text); }));
}

// tabs are buttons of which one is chosen.
export function choice(label, options, value, change) {
  return el("div", {class: "choice", role: "group", "aria-label": label},
    options.map(([v, text]) => el("button", {"aria-pressed": String(v === value), on: {click: () => change(v)}}, text)));
}

// facts are names with values.
export function facts(...pairs) {
  return el("dl", {class: "facts"}, pairs.filter(Boolean).map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
}

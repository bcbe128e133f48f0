// Ranges of time: ages (-1h), now, or times; in the address as they were entered.
import {el, put} from "./dom.js";
import {select} from "./ui.js";

const unit = {s: 1, m: 60, h: 3600, d: 86400, w: 604800};

// at is a moment in Unix milliseconds; NaN where the text is none.
export function at(text, now = Date.now()) {
  if (text === "now" || !text) return now;
  const age = /^-(\d+(?:\.\d+)?)([smhdw])$/.exec(text);
  if (age) return now - Number(age[1]) * unit[age[2]] * 1000;
  return /^\d{10,}$/.test(text) ? Number(text) : Date.parse(text);
}

export function bounds(params, usual = "-1h") {
  const now = Date.now();
  let from = at(params.get("from") || usual, now), to = at(params.get("to") || "now", now);
  if (!(from < to)) { from = now - 3600000; to = now; }
  return {from, to};
}

const local = (ms) => { const d = new Date(ms - new Date(ms).getTimezoneOffset() * 60000); return d.toISOString().slice(0, 19); };

// picker lets the user choose a range; changed(from, to) gets texts.
export function picker(params, changed, usual = "-1h") {
  const from = params.get("from") || usual, to = params.get("to") || "now";
  const ages = [["-5m", "Last 5 minutes"], ["-15m", "Last 15 minutes"], ["-1h", "Last hour"], ["-3h", "Last 3 hours"], ["-12h", "Last 12 hours"], ["-24h", "Last day"], ["-7d", "Last week"], ["-30d", "Last 30 days"]];
  const known = to === "now" && ages.some(([a]) => a === from);
  const {from: a, to: b} = bounds(params, usual);
  const one = el("input", {type: "datetime-local", step: 1, value: local(a), "aria-label": "From"}), two = el("input", {type: "datetime-local", step: 1, value: local(b), "aria-label": "To"});
  const exact = el("span", {class: "row", hidden: known}, one, "to", two, el("button", {on: {click: () => changed(new Date(one.value).toISOString(), new Date(two.value).toISOString())}}, "Show"));
  const root = el("span", {class: "row"});
  const chosen = select([...ages, ["exact", "From … to …"]], known ? from : "exact", (v) => { if (v === "exact") { exact.hidden = false; one.focus(); } else changed(v, "now"); });
  chosen.setAttribute("aria-label", "Time");
  return put(root, chosen, exact);
}

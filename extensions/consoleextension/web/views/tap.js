// Records as they pass the components: live, scrubbed, some of them a second.
import {el, put} from "../lib/dom.js";
import {get, lines} from "../lib/api.js";
import {clock, whole} from "../lib/format.js";
import {empty, failed, field, note, panel, pill, select} from "../lib/ui.js";

const kept = 200;
const heads = {logs: ["severity", "event", "body"], traces: ["name", "kind", "duration_ms", "status", "status_message"], metrics: ["name", "value", "count", "sum", "unit"], profiles: ["samples", "duration_ms"]};

const text = (v) => typeof v === "string" ? v : JSON.stringify(v);

// brief is the beginning of a record in one line.
function brief(r) {
  const parts = (heads[r.signal] || []).map((name) => r.record[name] === undefined || r.record[name] === "" ? "" : text(r.record[name]) + (name === "duration_ms" ? " ms" : ""));
  parts.push(...Object.entries(r.record.attributes || {}).map(([k, v]) => k + "=" + text(v)));
  return parts.filter(Boolean).join(" ");
}

function row(r) {
  const line = el("details", {class: "log", "data-side": r.side},
    el("summary", {}, el("time", {datetime: r.time, title: r.time}, clock(Date.parse(r.time), true)), pill(r.side === "before" ? "info" : "good", r.side), el("span", {class: "of", title: r.kind + " " + r.component + (r.pipeline ? " in " + r.pipeline : "")}, r.component), el("span", {class: "message"}, brief(r))));
  line.addEventListener("toggle", () => {
    if (!line.open || line.children.length > 1) return;
    line.append(el("div", {class: "fields"}, el("p", {class: "muted"}, r.kind + " " + r.component + ", " + r.signal + (r.pipeline ? " of the pipeline " + r.pipeline : "") + ", tenant " + r.tenant + (r.cut ? ". The record is long: parts of it were left out." : ".")), el("pre", {class: "text", tabindex: 0}, JSON.stringify(r.record, null, 2))));
  });
  return line;
}

export async function show(root, ctx) {
  const there = await get("console/v1/tap", ctx.signal);
  const places = there.places;
  if (places.length === 0) {
    put(root, empty("The components of this collector have no taps", "This program was built without penstock's command line, which puts a tap before and after each component."));
    return;
  }
  if (there.scrubbers.length === 0) {
    put(root, empty("Nothing is shown without a scrubber", "A tap shows only records that pii_scrubber has scrubbed. Add pii_scrubber to a pipeline, and a tap shows records of all pipelines."));
    return;
  }
  const asked = Object.fromEntries(["component", "signal", "pipeline", "side", "tenant"].map((k) => [k, ctx.params.get(k) || ""]));
  asked.rate = ctx.params.get("rate") || "10";
  const on = ctx.params.get("on") === "1";
  const go = (more) => ctx.go("tap", {...asked, rate: asked.rate === "10" ? "" : asked.rate, on: on ? "1" : "", ...more});
  const distinct = (key) => [...new Set(places.map((p) => p[key]).filter(Boolean))];
  const pick = (key, all) => select([["", all], ...distinct(key)], asked[key], (v) => go({[key]: v}), key);
  const tenant = el("input", {type: "text", value: asked.tenant, placeholder: "all", on: {change: (event) => go({tenant: event.target.value.trim()})}});
  const selected = places.filter((p) => (!asked.component || p.component === asked.component || p.component.startsWith(asked.component + "/")) && (!asked.signal || p.signal === asked.signal) && (!asked.side || p.side === asked.side) && (!asked.pipeline || p.pipeline === asked.pipeline || (p.pipeline || "").startsWith(asked.pipeline + "/")));
  const out = el("div", {class: "view"});
  put(root, panel("", el("p", {class: "muted"}, "Some of the records that pass the components, as ", there.scrubbers.join(", "), " would let them through. Nothing is recorded or changed."),
    el("div", {class: "form"}, field("Component", pick("component", "all")), field("Signal", pick("signal", "all")), field("Pipeline (of processors)", pick("pipeline", "all")), field("Side", pick("side", "before and after")),
      ctx.about.operator && field("Tenant", tenant), field("Records a second", select(["1", "5", "10", "50", String(there.max_rate)], asked.rate, (v) => go({rate: v}), "rate"))),
    el("p", {}, el("button", {class: "first", "aria-pressed": String(on), disabled: selected.length === 0, on: {click: () => go({on: on ? "" : "1"})}}, on ? "Stop" : "Watch"), " ", el("small", {}, whole(selected.length) + (selected.length === 1 ? " place" : " places")))), out);
  if (selected.length === 0) { put(out, note("warn", "No component matches all of these.")); return; }
  if (!on) { put(out, empty("Choose a component, and watch", "In a terminal: penstock tap COMPONENT.")); return; }

  const said = el("p", {class: "muted", role: "status"}, "Waiting for records…"), list = el("div", {});
  put(out, panel("", said, list));
  const query = new URLSearchParams(Object.entries(asked).filter(([, v]) => v));
  lines("console/v1/tap/records?" + query, ctx.signal, (r) => {
    if (r.counts) {
      const c = r.counts;
      said.textContent = c.seen === 0 ? "Waiting for records…" : `${whole(c.seen)} records passed, ${whole(c.shown)} were shown` + (c.slow ? `, ${whole(c.slow)} came faster than this page reads` : "") + (c.long ? `, ${whole(c.long)} were too long` : "") + (c.unscrubbed ? `, ${whole(c.unscrubbed)} could not be scrubbed` : "") + ".";
      return;
    }
    if (!list.firstChild) said.textContent = "Records pass:";
    list.prepend(row(r));
    while (list.childElementCount > kept) list.lastChild.remove();
  }).then(() => { if (!ctx.signal.aborted) said.textContent = "The collector ended the tap."; }, (error) => { if (!ctx.signal.aborted) put(out, failed(error, () => go({on: ""}))); });
}

// LogsQL: search, histogram over time, fields, context of a line, live tail.
import {el, put} from "../lib/dom.js";
import {clock, duration, stamp, whole} from "../lib/format.js";
import {columns} from "../lib/chart.js";
import {editor} from "../lib/editor.js";
import {empty, failed, note, panel, pill, table} from "../lib/ui.js";
import {bounds, picker} from "../lib/range.js";
import {ask, completion, equals, rows, tail, time} from "../lib/logsql.js";

const limit = 300, tailed = 500;
const hidden = new Set(["_time", "_msg", "_stream", "_stream_id"]);
const levels = {error: "bad", fatal: "bad", warn: "warn", info: "info"};
const steps = [1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 43200, 86400];

export async function show(root, ctx) {
  if (!ctx.about.stores.includes("logs")) {
    put(root, empty("No logs are stored in this process", "The profile standalone keeps logs and traces where they can be searched, with embedded_logs. A gateway that sends them to Loki is asked there; the lake has them too, for SQL."));
    return;
  }
  const q = ctx.params.get("q") || "*", here = ctx.params.get("here"), live = ctx.params.get("live") === "1";
  const go = (more) => ctx.go("logs", {q: q === "*" ? "" : q, from: ctx.params.get("from"), to: ctx.params.get("to"), ...more});
  const {from, to} = bounds(ctx.params);
  const range = () => ({start: time(from), end: time(to)});
  const query = editor({value: q, label: "LogsQL query", placeholder: 'LogsQL: words, "a phrase", level:error, service.name:="checkout"', candidates: completion("logs", range, ctx.signal), run: (text) => go({q: text, here: ""})});
  const out = el("div", {class: "view"});
  put(root, panel("", el("div", {class: "row nowrap-row"}, el("div", {class: "grow"}, query.root), el("button", {class: "first", on: {click: () => go({q: query.value(), here: ""})}}, "Search")),
    el("div", {class: "row"}, picker(ctx.params, (a, b) => go({from: a, to: b, here: ""})), el("button", {"aria-pressed": String(live), on: {click: () => go({live: live ? "" : "1"})}}, live ? "Stop following" : "Follow live"))), out);

  const narrow = (name, value, not) => go({q: (q === "*" ? "" : q + " ") + (not ? "-" : "") + equals(name, value), here: ""});
  const row = (r) => {
    const at = Date.parse(r._time), level = (r.level || "").toLowerCase();
    const line = el("details", {class: "log" + (here && r._time === here ? " here" : "")},
      el("summary", {}, el("time", {datetime: r._time, title: r._time}, clock(at, true)), level ? pill(levels[level] || "none", level) : el("span", {}), el("span", {class: "of", title: r["service.name"]}, r["service.name"] || ""), el("span", {class: "message"}, r._msg || "")));
    line.addEventListener("toggle", () => {
      if (!line.open || line.children.length > 1) return;
      const fields = Object.entries(r).filter(([k]) => !hidden.has(k)).sort(([a], [b]) => a.localeCompare(b));
      line.append(el("div", {class: "fields"},
        el("p", {class: "row"}, r.trace_id && ctx.link("traces", {trace: r.trace_id, span: r.span_id, from: new Date(at - 3600000).toISOString(), to: new Date(at + 3600000).toISOString()}, "Trace"),
          ctx.link("logs", {q: "_stream_id:" + r._stream_id, from: new Date(at - 60000).toISOString(), to: new Date(at + 60000).toISOString(), here: r._time}, "Context: this stream, a minute around"),
          r["service.name"] && ctx.about.stores.includes("metrics") && ctx.link("metrics", {q: "{job=~" + JSON.stringify("(.*/)?" + r["service.name"].replace(/[.*+?^${}()|[\]\\]/g, "\\$&")) + "}", from: new Date(at - 900000).toISOString(), to: new Date(at + 900000).toISOString()}, "Metrics of the service")),
        table([{key: "name", title: "Field", class: "mono break", cell: ([name]) => name, fixed: true}, {key: "value", title: "Value", class: "mono break", cell: ([, v]) => v, fixed: true}, {key: "do", title: "", class: "nowrap", cell: ([name, v]) => [el("button", {class: "quiet", title: "Only this value", "aria-label": "Only " + name + " with this value", on: {click: () => narrow(name, v)}}, "+"), el("button", {class: "quiet", title: "Exclude this value", "aria-label": "Without " + name + " with this value", on: {click: () => narrow(name, v, true)}}, "−")]}], fields)));
    });
    return line;
  };

  if (live) {
    const list = el("div", {}), said = el("p", {class: "muted"}, "Following: new lines appear here.");
    put(out, panel("", said, list));
    let n = 0;
    tail("logs", {query: q}, ctx.signal, (r) => {
      list.prepend(row(r));
      said.textContent = whole(++n) + " lines since " + clock(Date.now());
      while (list.childElementCount > tailed) list.lastChild.remove();
    }).then(() => { if (!ctx.signal.aborted) said.textContent = "The store ended the stream."; }, (error) => { if (!ctx.signal.aborted) put(out, failed(error, () => go({live: ""}))); });
    return;
  }

  const step = (steps.find((s) => (to - from) / 1000 / s <= 90) || 86400) * 1000;
  const began = performance.now();
  const [counted, found, facets] = await Promise.allSettled([
    ask("logs", "hits", {query: q, ...range(), step: step / 1000 + "s"}, ctx.signal), rows("logs", {query: q, ...range(), limit}, ctx.signal), ask("logs", "facets", {query: q, ...range(), limit: 8}, ctx.signal)]);
  if (ctx.signal.aborted) return;
  if (found.status === "rejected") { put(out, failed(found.reason)); return; }
  const list = found.value.sort((a, b) => b._time.localeCompare(a._time));
  const hits = counted.status === "fulfilled" ? counted.value.hits.flatMap((h) => h.timestamps.map((t, i) => [Date.parse(t), h.values[i]])) : [];
  const all = hits.reduce((n, h) => n + h[1], 0);
  const sides = facets.status === "fulfilled" ? facets.value.facets.filter((f) => !hidden.has(f.field_name) && f.values.length > 0 && !(f.values.length === 1 && f.values[0].hits === all)) : [];
  put(out, list.length === 0
    ? empty("Nothing was found", q === "*" ? "No log records in this time range. Send OTLP logs, or choose a longer range." : "Choose a longer range, or a broader query. A word matches whole words; word* matches words that begin with it.")
    : [panel("", el("p", {class: "muted"}, whole(all) + " lines in " + duration((performance.now() - began) / 1000) + (all > list.length ? ", the newest " + list.length + " are shown" : "")), columns(hits, from, to, step, (a, b) => go({from: new Date(a).toISOString(), to: new Date(b).toISOString(), here: ""}), "Lines over time"),
      sides.length > 0 && el("details", {}, el("summary", {}, "Fields"), el("div", {class: "grid"}, sides.slice(0, 12).map((f) => el("div", {}, el("h3", {class: "break"}, f.field_name), f.values.map((v) => el("div", {class: "row"}, el("button", {class: "quiet break", on: {click: () => narrow(f.field_name, v.field_value)}}, String(v.field_value).slice(0, 120)), el("span", {class: "grow"}), el("small", {}, whole(v.hits))))))))),
    panel("", list.map(row))]);
  out.querySelector(".here")?.scrollIntoView({block: "center"});
}

// Traces: search by spans, and the waterfall of one.
import {el, put} from "../lib/dom.js";
import {duration, stamp, whole} from "../lib/format.js";
import {editor} from "../lib/editor.js";
import {empty, facts, failed, note, panel, pill, table} from "../lib/ui.js";
import {bounds, picker} from "../lib/range.js";
import {completion, equals, rows, time} from "../lib/logsql.js";

const maxSpans = 5000, maxTraces = 100;
const isError = (s) => /error/i.test(s.status || "");
const own = new Set(["_time", "_msg", "_stream", "_stream_id", "trace_id", "span_id", "parent_span_id", "kind", "duration", "status", "status_message", "events", "links", "trace_state", "service.name"]);
const parsed = (text) => { try { return JSON.parse(text); } catch { return []; } };

// tree puts spans below their parents; those whose parent is not there are roots.
function tree(spans) {
  const byID = new Map(spans.map((s) => [s.span_id, s])), below = new Map();
  const roots = [];
  for (const s of spans) {
    const parent = s.parent_span_id && s.parent_span_id !== s.span_id && byID.has(s.parent_span_id) ? s.parent_span_id : null;
    if (parent) { if (!below.has(parent)) below.set(parent, []); below.get(parent).push(s); } else roots.push(s);
  }
  const out = [], seen = new Set();
  const walk = (list, depth) => {
    for (const s of list.sort((a, b) => a._time.localeCompare(b._time))) {
      if (seen.has(s)) continue;
      seen.add(s);
      out.push({...s, depth: Math.min(depth, 12)});
      walk(below.get(s.span_id) || [], depth + 1);
    }
  };
  walk(roots, 0);
  walk(spans, 0); // those of a ring
  return out;
}

function nanos(text) { const [, date, rest = ""] = /^(.*?)(?:\.(\d+))?Z$/.exec(text) || ["", text, ""]; return Date.parse(date + "Z") * 1e6 + Number(rest.padEnd(9, "0").slice(0, 9)); }

function spanDetails(s, ctx) {
  const at = Date.parse(s._time), events = parsed(s.events || "[]"), links = parsed(s.links || "[]");
  const around = {from: new Date(at - 300000).toISOString(), to: new Date(at + 3600000).toISOString()};
  return el("div", {class: "fields"},
    s.status_message && note(isError(s) ? "bad" : "info", s.status_message),
    el("p", {class: "row"}, ctx.link("logs", {q: equals("span_id", s.span_id), ...around}, "Logs of this span"), ctx.link("logs", {q: equals("trace_id", s.trace_id), ...around}, "Logs of the trace"), links.map((l) => ctx.link("traces", {trace: l.trace_id, span: l.span_id}, "Linked trace " + l.trace_id.slice(0, 8)))),
    events.length > 0 && table([{key: "time", title: "After", num: true, cell: (e) => duration(Math.max(0, e.time - nanos(s._time)) / 1e9)}, {key: "name", title: "Event", class: "break"}, {key: "attributes", title: "", class: "mono break", cell: (e) => e.attributes ? JSON.stringify(e.attributes) : ""}], events, {label: "Events"}),
    table([{key: "name", title: "Attribute", class: "mono break", fixed: true, cell: ([k]) => k}, {key: "value", title: "Value", class: "mono break", fixed: true, cell: ([, v]) => v}], [["span_id", s.span_id], ["kind", s.kind || ""], ...Object.entries(s).filter(([k]) => !own.has(k) && k !== "depth").sort(([a], [b]) => a.localeCompare(b))], {label: "Attributes"}));
}

async function waterfall(root, id, ctx) {
  const when = ctx.params.get("from") ? (({from, to}) => ({start: time(from), end: time(to)}))(bounds(ctx.params)) : {};
  const spans = await rows("traces", {query: equals("trace_id", id), ...when, limit: maxSpans}, ctx.signal);
  if (spans.length === 0) { put(root, empty("No span of this trace is stored", el("code", {class: "break"}, id), "It may be older than the store's retention, or not stored yet. The lake may have it.")); return; }
  const list = tree(spans), begins = spans.map((s) => nanos(s._time)), ends = spans.map((s) => nanos(s._time) + Number(s.duration || 0));
  const start = Math.min(...begins), whole_ = Math.max(1, Math.max(...ends) - start);
  const services = [...new Set(list.map((s) => s["service.name"]))];
  const errors = spans.filter(isError).length, wanted = ctx.params.get("span");
  put(root, panel(list[0]._msg || "Trace", facts(["Trace", el("code", {class: "break"}, id)], ["Began", stamp(start / 1e6)], ["Took", duration(whole_ / 1e9)], ["Spans", whole(spans.length)], ["Services", whole(services.length)], ["Errors", errors ? el("span", {class: "text-bad"}, whole(errors)) : "none"]),
    el("p", {class: "row"}, services.map((s, i) => el("span", {class: "c" + i % 10}, el("i", {class: "dot"}), " " + s)), ctx.link("logs", {q: equals("trace_id", id), from: new Date(start / 1e6 - 60000).toISOString(), to: new Date(start / 1e6 + whole_ / 1e6 + 60000).toISOString()}, "Logs of the trace"))),
    panel("", spans.length >= maxSpans && note("warn", "Only " + maxSpans + " spans are shown."), list.map((s) => {
      const line = el("details", {class: "span c" + services.indexOf(s["service.name"]) % 10 + (isError(s) ? " error" : "")}, el("summary", {},
        el("span", {class: "name", css: {"padding-left": s.depth * 0.8 + "rem"}, title: s["service.name"] + ": " + s._msg}, el("i", {class: "dot"}), " ", s._msg, " ", el("small", {}, s["service.name"]), isError(s) && [" ", pill("bad", "error")]),
        el("span", {class: "track"}, el("i", {css: {left: (nanos(s._time) - start) / whole_ * 100 + "%", width: Number(s.duration || 0) / whole_ * 100 + "%"}})), el("span", {class: "num"}, duration(Number(s.duration || 0) / 1e9))));
      line.addEventListener("toggle", () => { if (line.open && line.children.length === 1) line.append(spanDetails(s, ctx)); });
      if (wanted && s.span_id === wanted) { line.open = true; setTimeout(() => line.scrollIntoView({block: "center"})); }
      return line;
    })));
}

export async function show(root, ctx) {
  if (!ctx.about.stores.includes("logs")) {
    put(root, empty("No traces are stored in this process", "The profile standalone keeps logs and traces where they can be searched, with embedded_logs. The lake has them too, for SQL."));
    return;
  }
  const out = el("div", {class: "view"});
  const q = ctx.params.get("q") || "*", errors = ctx.params.get("errors") === "1", least = ctx.params.get("least") || "";
  const go = (more) => ctx.go("traces", {q: q === "*" ? "" : q, from: ctx.params.get("from"), to: ctx.params.get("to"), errors: errors ? "1" : "", least, ...more});
  const {from, to} = bounds(ctx.params);
  const range = () => ({start: time(from), end: time(to)});
  const query = editor({value: q, label: "Filter of spans, in LogsQL", placeholder: 'service.name:="checkout" "POST /pay", or a trace id', candidates: completion("traces", range, ctx.signal), run: (text) => /^[0-9a-f]{32}$/i.test(text) ? ctx.go("traces", {trace: text.toLowerCase()}) : go({q: text})});
  const slow = el("input", {type: "number", min: 0, value: least, placeholder: "ms", "aria-label": "Minimum duration in milliseconds", on: {change: (e) => go({least: e.target.value})}});
  put(root, panel("", el("div", {class: "row nowrap-row"}, el("div", {class: "grow"}, query.root), el("button", {class: "first", on: {click: () => go({q: query.value()})}}, "Search")),
    el("div", {class: "row"}, picker(ctx.params, (a, b) => go({from: a, to: b})), el("label", {class: "check"}, el("input", {type: "checkbox", checked: errors, on: {change: (e) => go({errors: e.target.checked ? "1" : ""})}}), "Errors only"), el("span", {class: "row"}, "at least", slow, "ms"))), out);
  const trace = ctx.params.get("trace");
  if (trace) return waterfall(out, trace, ctx);
  const filter = `(${q})` + (errors ? " status:~\"(?i)error\"" : "") + (Number(least) > 0 ? ` duration:>=${Math.round(Number(least) * 1e6)}` : "");
  const found = await rows("traces", {query: filter + " | stats by (trace_id) min(_time) began, count() spans | sort by (began) desc | limit " + maxTraces, ...range()}, ctx.signal);
  const ids = found.map((t) => t.trace_id).filter(Boolean);
  if (ids.length === 0) { put(out, empty("No trace was found", q === "*" && !errors && !least ? "No spans in this time range. Send OTLP traces, or choose a longer range." : "Choose a longer range, or a broader query.")); return; }
  const of = await rows("traces", {query: `trace_id:in(${ids.map((i) => JSON.stringify(i)).join(",")}) | fields _time, _msg, trace_id, span_id, parent_span_id, duration, status, service.name`, start: time(from - 3600000), end: time(to + 3600000), limit: 20000}, ctx.signal);
  const traces = new Map();
  for (const s of of) {
    const t = traces.get(s.trace_id) || {id: s.trace_id, spans: 0, errors: 0, begin: Infinity, end: 0, services: new Set(), root: null};
    const at = nanos(s._time);
    t.spans++;
    if (isError(s)) t.errors++;
    if (at < t.begin || !s.parent_span_id) t.root = !t.root || !s.parent_span_id || t.root.parent_span_id ? s : t.root;
    t.begin = Math.min(t.begin, at);
    t.end = Math.max(t.end, at + Number(s.duration || 0));
    t.services.add(s["service.name"]);
    traces.set(s.trace_id, t);
  }
  put(out, panel("", el("p", {class: "muted"}, found.length >= maxTraces ? "The newest " + maxTraces + " traces with such spans" : whole(found.length) + (found.length === 1 ? " trace has" : " traces have") + " such spans"), table([
    {key: "begin", title: "Began", class: "nowrap", cell: (t) => stamp(t.begin / 1e6)}, {key: "name", title: "Root", class: "break", sort: (t) => t.root?._msg, cell: (t) => ctx.link("traces", {trace: t.id, from: new Date(t.begin / 1e6 - 3600000).toISOString(), to: new Date(t.end / 1e6 + 3600000).toISOString()}, t.root?._msg || t.id)},
    {key: "services", title: "Services", class: "break", sort: (t) => [...t.services].join(), cell: (t) => [...t.services].join(", ")}, {key: "spans", title: "Spans", num: true}, {key: "errors", title: "Errors", num: true, cell: (t) => t.errors ? el("strong", {class: "text-bad"}, t.errors) : "0"}, {key: "took", title: "Took", num: true, sort: (t) => t.end - t.begin, cell: (t) => duration((t.end - t.begin) / 1e9)},
  ], [...traces.values()], {sort: "begin", label: "Traces"})));
}

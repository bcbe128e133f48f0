// The running pipeline as a picture: what comes in, what is scrubbed, the journal, and each sink with its lag and health.
import {el, put, svg} from "../lib/dom.js";
import {get} from "../lib/api.js";
import {bytes, duration, num, percent, rate, whole} from "../lib/format.js";
import {bar, empty, facts, note, panel, pill, spark, table} from "../lib/ui.js";
import {Own} from "../lib/own.js";

const signals = {metrics: "metric_points", logs: "log_records", traces: "spans"};
const nouns = {metrics: "points", logs: "records", traces: "spans"};
const names = {
  prometheus_tsdb: "Metrics store", parquet: "Lake", loki: "Loki", otlp: "OTLP", otlp_grpc: "OTLP", otlphttp: "OTLP over HTTP", otlp_http: "OTLP over HTTP", embedded_logs: "Log store", log_store: "Log store", debug: "Debug output", file: "File",
};
const metricNames = [
  ...Object.values(signals).flatMap((s) => ["otelcol_receiver_accepted_" + s, "otelcol_receiver_refused_" + s, "otelcol_receiver_failed_" + s, "otelcol_exporter_sent_" + s, "otelcol_exporter_send_failed_" + s]),
  "otelcol_exporter_queue_size", "otelcol_exporter_queue_capacity",
  "otelcol_processor_pii_scrubber_findings", "otelcol_processor_kafka_replay_appended_items", "otelcol_processor_kafka_replay_appended_bytes", "otelcol_processor_kafka_replay_refused_requests",
  "otelcol_receiver_kafka_replay_lag", "otelcol_receiver_kafka_replay_lag_duration", "otelcol_receiver_kafka_replay_dead_letters", "otelcol_processor_kafka_replay_dead_letters", "otelcol_receiver_kafka_replay_lost_records",
  "otelcol_extension_embedded_kafka_size", "otelcol_extension_embedded_kafka_capacity", "otelcol_extension_embedded_kafka_full",
  "otelcol_processor_cardinality_guard_active_series", "otelcol_processor_cardinality_guard_limited_points", "otelcol_processor_cardinality_guard_overflow_streams", "otelcol_processor_window_rollup_streams", "otelcol_processor_window_rollup_emitted_points",
  "otelcol_extension_ledger_items", "otelcol_extension_ledger_unaccounted_items", "otelcol_extension_embedded_tsdb_series", "otelcol_extension_embedded_tsdb_disk_size", "otelcol_exporter_parquet_bytes",
  "otelcol_process_memory_rss", "otelcol_process_cpu_seconds", "otelcol_process_uptime",
];

const kindOf = (id) => id.split("/")[0];
const isJournal = (id) => kindOf(id) === "kafka_replay";
const label = (id) => (names[kindOf(id)] || kindOf(id)) + (id.includes("/") ? " " + id.slice(id.indexOf("/") + 1) : "");

// model makes stages and lanes of the pipelines.
function model(state) {
  const produced = new Set(state.pipelines.flatMap((p) => p.exporters)); // connectors are exporters of one pipeline and receivers of another
  const consumed = new Set(state.pipelines.flatMap((p) => p.receivers));
  const intake = new Map(), lanes = new Map();
  let journal = false;
  const scrubbers = new Set();
  for (const p of state.pipelines) {
    for (const id of p.processors) if (kindOf(id) === "pii_scrubber") scrubbers.add(id);
    journal ||= p.processors.some(isJournal);
    for (const id of p.receivers) {
      if (isJournal(id) || produced.has(id)) continue;
      if (!intake.has(id)) intake.set(id, new Set());
      intake.get(id).add(p.signal);
    }
    for (const id of p.exporters) {
      if (consumed.has(id) || kindOf(id) === "nop") continue;
      if (!lanes.has(id)) lanes.set(id, {id, pipelines: [], signals: new Set(), groups: new Set(), followers: new Set(), guards: new Set(), rollups: new Set()});
      const lane = lanes.get(id);
      lane.pipelines.push(p.id);
      lane.signals.add(p.signal);
      for (const r of p.receivers) if (state.groups[r]) { lane.groups.add(state.groups[r]); lane.followers.add(r); }
      for (const c of p.processors) {
        if (kindOf(c) === "cardinality_guard") lane.guards.add(c);
        if (kindOf(c) === "window_rollup") lane.rollups.add(c);
      }
    }
  }
  return {intake, lanes: [...lanes.values()].sort((a, b) => a.id.localeCompare(b.id)), journal, scrubbers};
}

// troubleOf returns what is wrong with a lane, in words.
function troubleOf(lane, state) {
  return state.components.filter((c) => c.error && (c.kind === "exporter" && c.id === lane.id || c.kind === "receiver" && lane.followers.has(c.id) && c.pipelines.some((p) => lane.pipelines.includes(p))));
}

const arrow = () => el("div", {class: "arrow", "aria-hidden": "true"}, svg("svg", {viewBox: "0 0 24 24"}, svg("path", {d: "M3 12h17M14 6l6 6-6 6", fill: "none", stroke: "currentColor", "stroke-width": 1.6})));

const total = (own, prefix, match) => Object.values(signals).map((s) => own.rate(prefix + s, match)).filter((v) => v !== null).reduce((a, b) => a + b, 0);
const totals = (own, prefix, match) => own.join(Object.values(signals).map((s) => own.rates(prefix + s, match)));

function line(name, value, values, title) {
  return el("div", {class: "line", title}, el("span", {}, name, el("br", {}), el("strong", {}, value)), values ? spark(values, title || name) : "");
}

function stageIn(m, own) {
  const all = [...m.intake].filter(([id]) => true).map(([id, has]) => ({id, has, now: total(own, "otelcol_receiver_accepted_", {receiver: id}), refused: total(own, "otelcol_receiver_refused_", {receiver: id}) + total(own, "otelcol_receiver_failed_", {receiver: id})}));
  const refused = all.reduce((n, r) => n + r.refused, 0);
  return el("div", {class: "stage" + (refused > 0 ? " warn" : "")}, el("h2", {}, "Comes in", el("small", {}, rate(total(own, "otelcol_receiver_accepted_", {receiver: (id) => m.intake.has(id)})))),
    all.map((r) => line(r.id, rate(r.now), totals(own, "otelcol_receiver_accepted_", {receiver: r.id}), r.id + ": " + [...r.has].join(", "))),
    refused > 0 && el("p", {class: "text-warn"}, rate(refused), " refused"));
}

function stageScrub(m, own, ctx) {
  if (m.scrubbers.size === 0) return el("div", {class: "stage warn"}, el("h2", {}, "Scrubbed"), el("p", {class: "muted"}, "No pipeline has a pii_scrubber: data is stored as received."));
  const found = own.last("otelcol_processor_pii_scrubber_findings") ?? 0;
  return el("div", {class: "stage"}, el("h2", {}, ctx.link("scrubber", {}, "Scrubbed")),
    line("Since the start", whole(found) + (found === 1 ? " finding" : " findings")), line("Now", rate(own.rate("otelcol_processor_pii_scrubber_findings") ?? 0), own.rates("otelcol_processor_pii_scrubber_findings"), "Findings a second"));
}

function stageJournal(m, own, state) {
  if (!m.journal) return el("div", {class: "stage"}, el("h2", {}, "Queues"), el("p", {class: "muted"}, "No journal: each exporter has its own queue."));
  const size = own.last("otelcol_extension_embedded_kafka_size"), capacity = own.last("otelcol_extension_embedded_kafka_capacity");
  const full = own.last("otelcol_extension_embedded_kafka_full") > 0;
  const troubles = state.components.filter((c) => c.kind === "processor" && isJournal(c.id) && c.error);
  const growth = own.rate("otelcol_processor_kafka_replay_appended_items");
  return el("div", {class: "stage" + (full || troubles.length ? " bad" : size / capacity > 0.8 ? " warn" : "")}, el("h2", {}, "Journal", el("small", {}, "durable")),
    line("Written", rate(growth ?? 0), own.rates("otelcol_processor_kafka_replay_appended_items"), "Items written a second"),
    size !== null && el("div", {}, el("p", {}, el("strong", {}, bytes(size)), capacity ? " of " + bytes(capacity) + " (" + percent(size / capacity) + ")" : ""), capacity ? bar(size / capacity, "Journal: " + percent(size / capacity) + " used") : ""),
    size === null && el("p", {class: "muted"}, "In Kafka"),
    full && el("p", {class: "text-bad"}, "Full: clients get a refusal and a time to retry."),
    troubles.map((t) => el("p", {class: "text-bad break"}, t.error)));
}

function advice(lane, own, state, m, waiting, age) {
  const room = own.last("otelcol_extension_embedded_kafka_capacity") - own.last("otelcol_extension_embedded_kafka_size");
  const growth = own.rate("otelcol_processor_kafka_replay_appended_bytes");
  if (!m.journal || lane.groups.size === 0) return "Its data waits in the exporter's queue and is sent again. Check that it runs and that this machine can reach it.";
  return "Nothing is lost: " + (waiting > 0 ? whole(waiting) + " records wait in the journal, the oldest for " + duration(age) + ". " : "the journal keeps what comes. ") +
    "Check that it runs and that this machine can reach it; delivery continues automatically when it answers." +
    (room > 0 && growth > 0 ? " At the present rate the journal has room for at least " + duration(room / growth) + "." : "");
}

function laneOf(lane, own, state, m, ctx) {
  const group = (g) => lane.groups.has(g);
  const waiting = own.last("otelcol_receiver_kafka_replay_lag", {group, signal: (s) => lane.signals.has(s)}) ?? 0;
  const age = own.max("otelcol_receiver_kafka_replay_lag_duration", {group, signal: (s) => lane.signals.has(s)}) ?? 0;
  const queued = own.last("otelcol_exporter_queue_size", {exporter: lane.id});
  const capacity = own.last("otelcol_exporter_queue_capacity", {exporter: lane.id});
  // An exporter and the one who feeds it say the same in other words: the follower's are the better ones.
  const all = troubleOf(lane, state).sort((a, b) => b.kind.localeCompare(a.kind));
  const wrong = all.filter((w, i) => !all.slice(0, i).some((o) => o.error.includes(w.error.split(": ").at(-1))));
  const bad = wrong.length > 0;
  const sent = total(own, "otelcol_exporter_sent_", {exporter: lane.id});
  const gone = total(own, "otelcol_exporter_send_failed_", {exporter: lane.id});
  const parts = [];
  for (const id of lane.guards) parts.push(ctx.link("guard", {}, "guard"), el("span", {}, num(own.last("otelcol_processor_cardinality_guard_active_series") ?? 0) + " series" + (own.last("otelcol_processor_cardinality_guard_overflow_streams") ? ", " + num(own.last("otelcol_processor_cardinality_guard_overflow_streams")) + " overflow" : "")), "→ ");
  if (lane.rollups.size) parts.push(ctx.about.operator ? ctx.link("rollups", {}, "rollups") : "rollups", el("span", {}, num(own.last("otelcol_processor_window_rollup_streams") ?? 0) + " streams"), "→ ");
  return el("div", {class: "stage lane" + (bad ? " bad" : gone > 0 ? " warn" : ""), "data-sink": lane.id},
    el("h2", {}, el("span", {}, label(lane.id), " ", el("small", {}, [...lane.signals].join(", "))), bad ? pill("bad", "down for " + duration(Math.max(0, (Date.parse(state.now) - Math.min(...all.map((w) => Date.parse(w.since)))) / 1000))) : pill("good", "delivers")),
    parts.length > 0 && el("div", {class: "via"}, parts, label(lane.id)),
    el("div", {class: "row"},
      facts(["Delivered", rate(sent)],
        lane.groups.size ? ["Waits in the journal", waiting ? whole(waiting) + (waiting === 1 ? " record" : " records") : "nothing"] : queued !== null && ["In the queue", whole(queued) + (capacity ? " of " + whole(capacity) : "")],
        lane.groups.size && ["Oldest waits for", duration(age)], gone > 0 && ["Refused permanently", rate(gone)]),
      el("span", {class: "grow"}), spark(totals(own, "otelcol_exporter_sent_", {exporter: lane.id}), label(lane.id) + ": items delivered a second")),
    bad && el("div", {class: "note bad"}, wrong.map((w) => el("p", {class: "break"}, el("strong", {}, w.error))), el("p", {}, advice(lane, own, state, m, waiting, age))));
}

function equation(own, ctx) {
  const sinks = new Map();
  for (const s of own.pick("otelcol_extension_ledger_items")) {
    const key = s.labels.signal + " " + s.labels.sink;
    if (!sinks.has(key)) sinks.set(key, {signal: s.labels.signal, sink: s.labels.sink});
    sinks.get(key)[s.labels.fate] = s.values.at(-1) ?? 0;
  }
  for (const s of own.pick("otelcol_extension_ledger_unaccounted_items")) Object.assign(sinks.get(s.labels.signal + " " + s.labels.sink) || {}, {unaccounted: s.values.at(-1)});
  const rows = [...sinks.values()];
  if (rows.length === 0) return null;
  const open = rows.filter((r) => r.unaccounted);
  const n = (key) => ({key, num: true, cell: (r) => whole(r[key] ?? 0)});
  return panel(ctx.link("ledger", {}, "Ledger"),
    el("p", {class: "equation"}, el("span", {}, el("b", {}, "received")), "=", el("span", {}, el("b", {}, "stored")), "+", el("span", {}, el("b", {}, "folded")), "+", el("span", {}, el("b", {}, "dropped")), open.length ? pill("bad", "does not balance") : pill("good", "balances")),
    table([{key: "signal", title: "Signal"}, {key: "sink", title: "Sink"}, {...n("received"), title: "Received"}, {...n("stored"), title: "Stored"}, {...n("folded"), title: "Folded"}, {...n("dropped"), title: "Dropped"},
      {key: "unaccounted", title: "Unaccounted", num: true, cell: (r) => r.unaccounted ? el("strong", {class: "text-bad"}, whole(r.unaccounted)) : "0"}], rows, {label: "Ledger since it began", row: (r) => ({class: r.unaccounted ? "bad" : ""})}),
    el("p", {class: "muted"}, "Items of this process, up to the last checkpoints. Items that still wait in the journal are not counted yet."));
}

function machine(own, state) {
  const dead = (own.last("otelcol_receiver_kafka_replay_dead_letters") ?? 0) + (own.last("otelcol_processor_kafka_replay_dead_letters") ?? 0);
  return panel("This process",
    facts(["Runs for", duration(own.last("otelcol_process_uptime"))], ["Memory", bytes(own.last("otelcol_process_memory_rss"))], ["CPU", percent(own.rate("otelcol_process_cpu_seconds"))],
      own.last("otelcol_extension_embedded_tsdb_series") !== null && ["Series in the TSDB", num(own.last("otelcol_extension_embedded_tsdb_series"))], own.last("otelcol_extension_embedded_tsdb_disk_size") !== null && ["TSDB on disk", bytes(own.last("otelcol_extension_embedded_tsdb_disk_size"))],
      ["Dead letters", dead ? el("a", {href: "#/deadletters"}, whole(dead)) : "none"]),
    state.disks.map((d) => el("div", {}, el("h3", {}, "Disk: " + bytes(d.free) + " free of " + bytes(d.total)), bar(1 - d.free / d.total, "Disk: " + percent(1 - d.free / d.total) + " used"), el("small", {class: "break"}, d.paths.join(", ")))));
}

function draw(root, state, own, ctx) {
  const m = model(state);
  const others = state.components.filter((c) => c.error && !m.lanes.some((l) => troubleOf(l, state).includes(c)) && !(c.kind === "processor" && isJournal(c.id)));
  const quiet = own.times.length > 2 && [...m.intake.keys()].every((id) => ["host_metrics", "hostmetrics"].includes(kindOf(id)) || total(own, "otelcol_receiver_accepted_", {receiver: id}) === 0) && !(own.last("otelcol_processor_kafka_replay_appended_items") > 2000);
  put(root,
    others.map((c) => note("bad", el("strong", {}, c.kind + " " + c.id + ": "), el("span", {class: "break"}, c.error))),
    quiet && note("info", el("strong", {}, "No application has sent data yet. "), "Point an OTLP exporter at this collector: OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 (HTTP) or :4317 (gRPC), unless the configuration says otherwise."),
    el("div", {class: "flow"}, stageIn(m, own), arrow(), stageScrub(m, own, ctx), arrow(), stageJournal(m, own, state), arrow(),
      el("div", {class: "lanes"}, m.lanes.length ? [...m.lanes].sort((a, b) => (troubleOf(b, state).length > 0) - (troubleOf(a, state).length > 0)).map((l) => laneOf(l, own, state, m, ctx)) : empty("No sink", "Nothing is delivered: add an exporter to a pipeline."))),
    el("div", {class: "grid wide2"}, equation(own, ctx), machine(own, state)));
}

// own view of a tenant: what it sent and what became of it.
async function tenantView(root, ctx) {
  await ctx.every(15, async () => {
    const usage = await get("v1/usage/", ctx.signal);
    const n = (key, title) => ({key, title, num: true, cell: (r) => whole(r[key])});
    put(root, note("info", "You see the data of the tenant ", el("strong", {}, ctx.about.tenant || "of your key"), "."),
      panel("What you have sent", table([{key: "signal", title: "Signal"}, n("received", "Received"), {key: "stored", title: "Stored", cell: (r) => Object.entries(r.stored).map(([k, v]) => k + " " + whole(v)).join(", ")}, n("folded", "Folded"),
        {key: "dropped", title: "Dropped", cell: (r) => Object.entries(r.dropped).map(([k, v]) => k + " " + whole(v)).join(", ") || "0"}], usage.tenants, {empty: "Nothing was received yet: send OTLP with your key in the header X-API-Key."})),
      panel("By service", table([{key: "service", title: "Service"}, {key: "signal", title: "Signal"}, n("items", "Items"), {key: "bytes", title: "Bytes", num: true, cell: (r) => bytes(r.bytes)}], usage.intake, {sort: "items", empty: "Nothing since the start."})));
  });
}

export async function show(root, ctx) {
  if (!ctx.about.operator) return tenantView(root, ctx);
  const own = new Own(metricNames);
  let asked = 0;
  await ctx.every(2, async () => {
    const [state] = await Promise.all([get("console/v1/state", ctx.signal), Date.now() - asked > 4500 ? (asked = Date.now(), own.refresh(ctx.signal)) : null]);
    draw(root, state, own, ctx);
  });
}

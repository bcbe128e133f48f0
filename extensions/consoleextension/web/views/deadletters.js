// What no sink takes: why, how much, some of it, and how to send just that again.
import {el, put} from "../lib/dom.js";
import {get, send} from "../lib/api.js";
import {bytes, rate, stamp, whole} from "../lib/format.js";
import {empty, facts, failed, note, panel, spark, table} from "../lib/ui.js";
import {Own} from "../lib/own.js";

const received = "otelcol_receiver_kafka_replay_dead_letters", written = "otelcol_processor_kafka_replay_dead_letters", boxed = "otelcol_extension_dead_letter_items", parked = "otelcol_extension_dead_letter_parked_requests";
const advice = {
  decode: "The record can't be decoded as OTLP, and neither can a replay decode it. Check what else writes to the topic.", refused: "The sink refused it permanently; the log says why. Correct the cause, then replay.", too_old: "The sink does not accept data that old. Widen its window, then replay.", too_new: "The clock of a sender is ahead.",
  too_large: "Larger than the topic or the sink accepts. Raise the limit, then replay.", labels: "Labels that the sink does not accept.", line_too_long: "Lines longer than the sink accepts.", tenant: "The tenant's name can't be one.", rate: "The sink limits the rate of this tenant. Raise it, then replay.", stream_limit: "The sink's limit of streams is reached.", stream_rate: "One stream is faster than the sink accepts.",
  metadata: "More metadata than the sink accepts.", tenant_patience: "The tenant's sink refused for longer than tenant_patience, so the exporter set its records aside to deliver the others. Correct the cause, then replay.", retention: "Retention passed it before it was delivered.", best_effort: "The journal was full, and on_full is best_effort.",
};

function topic(signal, id, ctx, auto) {
  const out = el("div", {});
  const look = async () => {
    put(out, el("p", {class: "muted"}, "Reading the topic…"));
    try {
      const a = await send("POST", id + "/v1/replays", {signal, source: "deadletter", from: "-720h", dry_run: true});
      const e = a.estimate;
      put(out, e.records === 0 ? note("good", "No dead letters of the last 30 days.") : el("div", {class: "view"},
        facts(["Records", (e.exact ? "" : "about ") + whole(e.records)], ["Items", whole(e.items)], ["Bytes", bytes(e.bytes)]),
        table([{key: "received", title: "Set aside", cell: (s) => stamp(Date.parse(s.received))}, {key: "tenant", title: "Tenant"}, {key: "key", title: "Key", class: "mono break"}, {key: "items", title: "Items", num: true}, {key: "bytes", title: "Bytes", num: true, cell: (s) => bytes(s.bytes)}, {key: "", title: "", cell: (s) => ctx.link("replay", {signal, source: "deadletter", from: "-720h", tenants: s.tenant, keys: s.key}, "Replay those with this key")}], e.sample),
        el("p", {}, ctx.link("replay", {signal, source: "deadletter", from: "-720h"}, "Replay all of them"), " when the cause is mended.")));
    } catch (error) { put(out, failed(error)); }
  };
  if (auto) look();
  return panel(signal + " in the dead letter topic", el("p", {}, el("button", {on: {click: look}}, "Look into the topic")), out);
}

// files are the dead letters of an extension that keeps them on disk.
function files(id, ctx) {
  const out = el("div", {}), said = el("div", {});
  const act = async (method, path, done) => {
    try { await send(method, id + "/v1/letters/" + path); put(said, note("good", done)); } catch (error) { put(said, failed(error)); }
    await look();
  };
  const look = async () => {
    try {
      const a = await get(id + "/v1/letters", ctx.signal);
      put(out, facts(["Files", whole(a.count)], ["Size", bytes(a.bytes) + " of " + bytes(a.max_bytes)]),
        table([{key: "time", title: "Set aside", cell: (l) => stamp(Date.parse(l.time))}, {key: "signal", title: "Signal"}, {key: "reason", title: "Reason", cell: (l) => el("code", {}, l.reason)}, {key: "items", title: "Items", num: true, cell: (l) => whole(l.items)}, {key: "bytes", title: "Size", num: true, cell: (l) => bytes(l.bytes)},
          {key: "", title: "", class: "nowrap", cell: (l) => [el("button", {"aria-label": "Send " + l.name + " again", on: {click: () => act("POST", l.name + "/send", "The server has accepted it; the file is gone.")}}, "Send again"), " ", el("button", {class: "quiet", "aria-label": "Delete " + l.name, on: {click: () => act("DELETE", l.name, "It is deleted.")}}, "Delete")]}],
        a.letters, {sort: "time", label: "Dead letters on disk", empty: note("good", "No dead letters on disk.")}), a.count > a.letters.length && el("p", {class: "muted"}, "The newest " + a.letters.length + " are listed."));
    } catch (error) { if (!ctx.signal.aborted) put(out, failed(error)); }
  };
  look();
  return panel("On disk: " + id, said, out);
}

export async function show(root, ctx) {
  const own = new Own([received, written, boxed, parked]);
  await own.refresh(ctx.signal);
  const counts = el("div", {class: "view"});
  const topics = Object.entries(ctx.about.jobs).flatMap(([id, signals]) => signals.map((s) => topic(s, id, ctx, (own.last(received, {signal: s}) ?? 0) + (own.last(written, {signal: s}) ?? 0) > 0)));
  if (topics.length === 0 && !ctx.about.components.dead_letter) { put(root, empty("No component here stores dead letters", "Dead letters need a journal, or the extension dead_letter between an exporter and its server.")); return; }
  put(root, counts, topics, (ctx.about.components.dead_letter || []).map((id) => files(id, ctx)));
  await ctx.every(5, async () => {
    await own.refresh(ctx.signal);
    const rows = [...own.pick(received), ...own.pick(written), ...own.pick(boxed)].filter((s) => s.values.at(-1) > 0).map((s) => ({where: s.name === received ? "sink " + s.labels.group : s.name === written ? "journal" : "server of an exporter", signal: s.labels.signal || "", reason: s.labels.reason || "too_large", n: s.values.at(-1), of: s}));
    put(counts, panel("Set aside since the start", table([{key: "where", title: "Before"}, {key: "signal", title: "Signal"}, {key: "reason", title: "Reason", cell: (r) => el("code", {}, r.reason)}, {key: "n", title: "Count", num: true, cell: (r) => whole(r.n)}, {key: "rate", title: "Now", num: true, sort: (r) => own.rate(r.of.name, r.of.labels), cell: (r) => rate(own.rate(r.of.name, r.of.labels) ?? 0)}, {key: "", title: "", cell: (r) => spark(own.rates(r.of.name, r.of.labels), r.reason)}, {key: "todo", title: "What to do", class: "break", cell: (r) => advice[r.reason] || "The log of the process says why."}], rows, {sort: "n", empty: note("good", el("strong", {}, "None."), " Every record that came was taken by its sinks, or waits for them.")})),
      ctx.about.components.dead_letter && panel("Parked", facts(["Requests", whole(own.last(parked) ?? 0)]), el("p", {class: "muted"}, "The server fails for them although it accepts others; the exporter sends them again automatically.")));
  });
}

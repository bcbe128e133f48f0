// Replay jobs: a form with a preview, progress, pause, resume, cancel.
import {el, put} from "../lib/dom.js";
import {get, send} from "../lib/api.js";
import {ago, bytes, duration, percent, rate, stamp, whole} from "../lib/format.js";
import {code, empty, facts, failed, field, note, panel, pill, select, table} from "../lib/ui.js";

const kinds = {done: "good", failed: "bad", cancelled: "none", paused: "warn", running: "info", waiting: "info", replacing: "info"};

// progress is no budget: a full bar is good.
const progress = (job) => el("div", {class: "bar", role: "progressbar", "aria-valuenow": Math.round(job.progress * 100), "aria-valuemin": 0, "aria-valuemax": 100, "aria-label": "Progress"}, el("i", {css: {width: job.progress * 100 + "%"}}));
const ended = (job) => ["done", "failed", "cancelled"].includes(job.status.phase);

// form asks what to replay. read() is the job, as the API takes it.
function form(signals, params) {
  const text = (name, placeholder, type = "text") => el("input", {type, value: params.get(name) || "", placeholder, autocomplete: "off", spellcheck: "false"});
  const f = {
    signal: select(signals, params.get("signal") || (signals.includes("metrics") ? "metrics" : signals[0])), source: select([["journal", "The journal"], ["deadletter", "Dead letters"]], params.get("source") || "journal"),
    from: text("from", "-2h, or 2026-11-24T10:00:00Z"), to: text("to", "now"), late: text("late", "1h"), by: select([["received", "were received"], ["event", "happened (their own time)"]], params.get("by") || "received"),
    tenants: text("tenants", "all"), keys: text("keys", "tenant/namespace/service, * and ?"), condition: text("condition", 'OTTL: resource.attributes["service.name"] == "checkout"'), id: text("id", "made of the time"),
    records: text("records_per_second", "no bound", "number"),
    mark: el("input", {type: "checkbox", checked: Boolean(params.get("mark"))}), replace: el("input", {type: "checkbox", checked: Boolean(params.get("replace"))}), force: el("input", {type: "checkbox"}),
  };
  if (!f.from.value) f.from.value = "-1h";
  const list = (input) => input.value.split(/[,\s]+/).filter(Boolean);
  const read = () => {
    const job = {signal: f.signal.value, from: f.from.value.trim()};
    if (f.source.value !== "journal") job.source = f.source.value;
    if (f.to.value.trim()) job.to = f.to.value.trim();
    if (f.by.value !== "received") {
      job.by = f.by.value;
      if (f.late.value.trim()) job.late = f.late.value.trim();
    }
    for (const key of ["tenants", "keys"]) if (list(f[key]).length) job[key] = list(f[key]);
    if (f.condition.value.trim()) job.condition = f.condition.value.trim();
    if (f.id.value.trim()) job.id = f.id.value.trim();
    if (Number(f.records.value) > 0) job.records_per_second = Number(f.records.value);
    if (f.mark.checked) job.mark = true;
    if (f.replace.checked) job.replace = {};
    if (f.force.checked) job.force = true;
    return job;
  };
  const late = field("Received up to", f.late, "later than that");
  const showLate = () => { late.hidden = f.by.value !== "event"; };
  f.by.addEventListener("change", showLate);
  showLate();
  const root = el("div", {class: "form"},
    field("Signal", f.signal), field("From", f.source), field("Records that", f.by), field("Begin", f.from, "an age or a time"), field("End", f.to, "excluded"), late, field("Tenants", f.tenants), field("Keys", f.keys), field("Only items that match", f.condition), field("Records a second", f.records), field("Name of the job", f.id),
    el("label", {class: "check all"}, f.replace, el("span", {}, "Replace: first delete from the store what the job will write ", el("small", {}, "(needs the admin token or the scope erase)"))),
    el("label", {class: "check all"}, f.mark, el("span", {}, "Mark each item with the name of the job ", el("small", {}, "(on metrics that makes new series)"))),
    el("label", {class: "check all"}, f.force, "Run despite the preview's warnings"));
  return {root, read, fields: f};
}

function estimate(answer) {
  const e = answer.estimate;
  return el("div", {class: "view"},
    answer.problems.length ? note("warn", el("strong", {}, "The job would be refused unless you force it:"), el("ul", {}, answer.problems.map((p) => el("li", {class: "break"}, p)))) : note("good", el("strong", {}, "The preview found no problems.")),
    facts(["Range", answer.range ? stamp(Date.parse(answer.range.from)) + " … " + stamp(Date.parse(answer.range.to)) : answer.spans.map((s) => `partition ${s.partition}: ${s.first}–${s.next}`).join(", ")], ["Records", (e.exact ? "" : "about ") + whole(e.records) + " of " + whole(e.scanned)], ["Items", (e.exact ? "" : "about ") + whole(e.items)], ["Bytes", bytes(e.bytes)]),
    e.sample.length > 0 && el("div", {}, el("h3", {}, "Some of its records"), table([{key: "received", title: "Received", cell: (s) => stamp(Date.parse(s.received))}, {key: "tenant", title: "Tenant"}, {key: "key", title: "Key", class: "mono break"}, {key: "partition", title: "Partition", num: true}, {key: "offset", title: "Offset", num: true}, {key: "items", title: "Items", num: true}, {key: "bytes", title: "Bytes", num: true, cell: (s) => bytes(s.bytes)}], e.sample)));
}

function jobRow(job, id, changed, ctx) {
  const c = job.status.counts, s = job.spec;
  const act = (name, method, path, kind) => el("button", {class: kind, on: {click: async (event) => { event.target.disabled = true; try { await send(method, path); } catch (error) { changed(error); return; } changed(); }}}, name);
  const base = `${id}/v1/replays/${encodeURIComponent(s.id)}`;
  const refused = Object.entries(c.refused_for || {});
  return el("div", {class: "panel", "data-job": s.id},
    el("h2", {}, el("code", {}, s.id), " ", pill(kinds[job.status.phase] || "none", job.status.phase), job.want !== "run" && !ended(job) && [" ", pill("warn", "is asked to " + job.want)]),
    el("p", {class: "break"}, s.signal, s.source === "deadletter" ? " from the dead letters" : "", job.range ? ` of ${stamp(Date.parse(job.range.from))} … ${stamp(Date.parse(job.range.to))}` : "", s.by === "event" ? " by event time" : "", s.keys ? [", keys ", el("code", {}, s.keys.join(" "))] : "", s.tenants ? ", tenants " + s.tenants.join(", ") : "", s.replace ? ", replacing" : "", el("span", {class: "muted"}, ` · made ${ago(job.created)} by ${job.by}`)),
    progress(job),
    facts(["Done", percent(job.progress)], !ended(job) && job.remaining && ["Remaining", job.remaining], !ended(job) && ["Now", rate(job.status.records_per_second) + " records, " + bytes(job.status.bytes_per_second) + "/s"], ["Records", whole(c.records)], ["Items", whole(c.items)], c.refused_items > 0 && ["Refused items", el("span", {class: "text-warn"}, whole(c.refused_items))], c.duplicates > 0 && ["Duplicates", whole(c.duplicates)], c.lost > 0 && ["Lost", el("span", {class: "text-bad"}, whole(c.lost))], job.status.yielding && ["Gives way to", job.status.yielding]),
    job.status.reason && note(job.status.phase === "failed" ? "bad" : "warn", job.status.reason),
    refused.length > 0 && el("p", {}, "Refused: ", refused.map(([why, n]) => [el("code", {}, why), " " + whole(n) + " "])),
    (job.warnings || []).map((w) => el("p", {class: "text-warn break"}, w)),
    el("p", {class: "row"},
      !ended(job) && job.want === "run" && act("Pause", "POST", base + "/pause"), !ended(job) && job.want === "pause" && act("Resume", "POST", base + "/resume", "first"), !ended(job) && job.want !== "cancel" && act("Cancel", "POST", base + "/cancel", "danger"),
      ended(job) && act("Delete the record of this job", "DELETE", base, "quiet"),
      el("details", {}, el("summary", {}, "History"), table([{key: "at", title: "At", cell: (h) => stamp(Date.parse(h.at))}, {key: "what", title: "What"}, {key: "by", title: "By", class: "break"}], job.history || [])))); 
}

// receiver shows the form and the jobs of one receiver.
function receiver(root, id, signals, ctx, many) {
  const f = form(signals, ctx.params);
  const answer = el("div", {}), list = el("div", {class: "view"}), errors = el("div", {});
  const why = ctx.params.get("why") === "guard" && note("info", "A replay goes through today's pipeline: ", ctx.link("guard", {}, "widen the budget"), " first, and then replay the hours in which series were folded. With Replace the store has each sample once.");
  const dry = el("button", {on: {click: () => run(true)}}, "Preview"), go = el("button", {class: "first", on: {click: () => run(false)}}, "Replay");
  async function run(onlyLook) {
    dry.disabled = go.disabled = true;
    put(answer, el("p", {class: "muted"}, onlyLook ? "Reading…" : "Making the job…"));
    const job = f.read();
    try {
      const got = await send("POST", id + "/v1/replays", {...job, dry_run: onlyLook});
      put(answer, onlyLook ? [estimate(got), el("details", {}, el("summary", {}, "The same for programs"), code(`curl -d '${JSON.stringify(job).replaceAll("'", "'\\''")}' http://${location.host}/v1/replays`))] : note("good", "The job ", el("code", {}, got.spec.id), " is made."));
      if (!onlyLook) await refresh();
    } catch (error) {
      put(answer, failed(error));
    } finally { dry.disabled = go.disabled = false; }
  }
  let last = "";
  async function refresh(error) {
    if (error) { put(errors, failed(error)); return; }
    const {replays} = await get(id + "/v1/replays", ctx.signal);
    const open = [...list.querySelectorAll("details[open]")].map((d) => d.closest("[data-job]")?.dataset.job);
    const text = JSON.stringify(replays);
    if (text === last) return;
    last = text;
    put(list, replays.length ? replays.map((job) => jobRow(job, id, (e) => refresh(e).catch((e2) => put(errors, failed(e2))), ctx)) : empty("No jobs yet", "Choose a range, check the preview, then replay it. Live delivery continues meanwhile."));
    for (const job of list.querySelectorAll("[data-job]")) if (open.includes(job.dataset.job)) job.querySelector("details").open = true;
  }
  put(root, why, panel(many ? "New job for " + id : "New job", f.root, el("p", {class: "row"}, dry, go), answer), errors, el("h2", {}, "Jobs"), list);
  return refresh;
}

export async function show(root, ctx) {
  const ids = Object.entries(ctx.about.jobs);
  if (!ctx.about.scopes.includes("replay")) { put(root, note("info", "Jobs need a key with the scope replay.")); return; }
  if (ids.length === 0) { put(root, empty("No receiver takes replay jobs", "Replays need a journal: the profile standalone has one, and a gateway with PENSTOCK_KAFKA_BROKERS.")); return; }
  const refreshers = ids.map(([id, signals]) => {
    const place = el("div", {class: "view"});
    root.append(place);
    return receiver(place, id, signals, ctx, ids.length > 1);
  });
  await ctx.every(2, () => Promise.all(refreshers.map((r) => r())));
}

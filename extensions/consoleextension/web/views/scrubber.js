// What was taken out, by detector; what would be taken out of a text; and values that are encrypted.
import {el, put} from "../lib/dom.js";
import {get, send} from "../lib/api.js";
import {rate, whole} from "../lib/format.js";
import {empty, failed, field, note, panel, pill, spark, table} from "../lib/ui.js";
import {Own} from "../lib/own.js";

const p = "otelcol_processor_pii_scrubber_";

// marked shows a text with its findings; their places are bytes of UTF-8.
function marked(text, findings) {
  const bytes = new TextEncoder().encode(text), part = (from, to) => new TextDecoder().decode(bytes.slice(from, to));
  const out = el("pre", {class: "text"});
  let from = 0;
  for (const f of findings) {
    out.append(part(from, f.start), el("mark", {title: f.detector + ": " + f.evidence}, part(f.start, f.end)));
    from = f.end;
  }
  out.append(part(from, bytes.length));
  return el("div", {}, el("h3", {}, "Found"), out,
    table([{key: "detector", title: "Detector", cell: (f) => el("code", {}, f.detector)}, {key: "action", title: "Action"}, {key: "evidence", title: "Why", class: "break"}, {key: "text", title: "What", class: "mono break", cell: (f) => part(f.start, f.end)}], findings, {empty: note("good", "Nothing: the text is stored as it is.")}));
}

function preview(id, ctx) {
  const text = el("textarea", {rows: 4, spellcheck: "false", "aria-label": "Text", placeholder: "user=jane@example.com card=4111 1111 1111 1111 from=192.0.2.10"});
  const out = el("div", {});
  const run = async () => {
    try {
      const answer = await send("POST", id + "/preview", {text: text.value});
      put(out, marked(text.value, answer.findings), el("h3", {}, "What is left"), el("pre", {class: "text"}, answer.text));
    } catch (error) { put(out, failed(error)); }
  };
  return panel("Preview", el("p", {class: "muted"}, "What ", el("code", {}, id), " would take out of a text, and why. The text is not kept."), text, el("p", {}, el("button", {class: "first", on: {click: run}}, "Preview")), out);
}

function capture(id) {
  const reason = el("input", {type: "text", autocomplete: "off"}), lines = el("input", {type: "number", min: 1, max: 200, value: 20}), seconds = el("input", {type: "number", min: 1, max: 20, value: 10}), found = el("input", {type: "checkbox"});
  const out = el("div", {});
  const run = async () => {
    if (!reason.value.trim()) { put(out, note("warn", "Say why: it is written to the audit log.")); reason.focus(); return; }
    put(out, el("p", {class: "muted"}, "Waiting for lines…"));
    try {
      const answer = await send("POST", id + "/capture", {reason: reason.value, lines: Number(lines.value), seconds: Number(seconds.value), found: found.checked});
      const detail = el("div", {});
      put(out, table([{key: "signal", title: "Signal"}, {key: "key", title: "Key", class: "break"}, {key: "found", title: "Found", cell: (l) => l.findings.map((f) => [pill("warn", f.detector), " "])}, {key: "scrubbed", title: "What is stored", class: "mono break"}, {key: "", title: "", cell: (l) => el("button", {on: {click: () => put(detail, marked(l.text, l.findings))}}, "Show")}], answer.lines, {empty: "No line arrived in that time."}), detail);
    } catch (error) { put(out, failed(error)); }
  };
  return panel("Lines as they come in", el("p", {class: "muted"}, "Takes some lines before they are scrubbed. It shows what is in them, needs the admin token or a key with the scope decrypt, and is written to the audit log."),
    el("div", {class: "form"}, field("Reason", reason), field("Lines", lines), field("Seconds to wait", seconds), el("label", {class: "check"}, found, "Only lines with findings")), el("p", {}, el("button", {on: {click: run}}, "Take lines")), out);
}

function decrypt(id) {
  const values = el("textarea", {rows: 3, spellcheck: "false", "aria-label": "Values, one a line"}), reason = el("input", {type: "text"}), tenant = el("input", {type: "text", placeholder: "default"});
  const out = el("div", {});
  const run = async () => {
    const asked = values.value.split("\n").map((v) => v.trim()).filter(Boolean);
    try {
      const answer = await send("POST", id + "/decrypt", {tenant: tenant.value, reason: reason.value, values: asked});
      put(out, table([{key: "value", title: "Value", class: "mono break"}, {key: "text", title: "Was", class: "mono break", cell: (r) => r.error ? el("span", {class: "text-bad"}, r.error) : r.text}], answer.results.map((r, i) => ({value: asked[i], text: r.value, error: r.error}))));
    } catch (error) { put(out, error.status === 404 || error.status === 405 ? note("info", "This scrubber has no keys: nothing that it does can be undone.") : failed(error)); }
  };
  return panel("Decrypt", el("p", {class: "muted"}, "Tokens and ciphertexts, one a line. It needs the scope decrypt or the admin token, and is written to the audit log."), values, el("div", {class: "form"}, field("Reason", reason), field("Tenant", tenant)), el("p", {}, el("button", {on: {click: run}}, "Decrypt")), out);
}

export async function show(root, ctx) {
  const ids = ctx.about.components.pii_scrubber || [];
  if (ids.length === 0) { put(root, empty("No pipeline has a pii_scrubber", "pii_scrubber takes personal data and secrets out before anything is stored. Every profile has it.")); return; }
  const counts = el("div", {class: "view"});
  put(root, counts, ids.map((id) => [preview(id, ctx), ctx.about.scopes.includes("decrypt") || !ctx.about.keys ? [ctx.about.operator && capture(id), decrypt(id)] : null]));
  if (!ctx.about.operator) return;
  const own = new Own([p + "findings", p + "unscanned", p + "detector_failures"]);
  await ctx.every(5, async () => {
    await own.refresh(ctx.signal);
    const rows = new Map();
    for (const s of own.pick(p + "findings")) {
      const key = s.labels.detector + " " + s.labels.action;
      const row = rows.get(key) || {detector: s.labels.detector, action: s.labels.action, n: 0, signals: new Set()};
      row.n += s.values.at(-1) ?? 0;
      row.signals.add(s.labels.signal);
      rows.set(key, row);
    }
    const missed = own.pick(p + "unscanned").filter((s) => s.values.at(-1) > 0);
    put(counts, panel("Findings since the start", table([{key: "detector", title: "Detector", cell: (r) => el("code", {}, r.detector)}, {key: "action", title: "Action"}, {key: "signals", title: "In", cell: (r) => [...r.signals].sort().join(", ")}, {key: "n", title: "Findings", num: true, cell: (r) => whole(r.n)},
      {key: "rate", title: "Now", num: true, sort: (r) => own.rate(p + "findings", {detector: r.detector, action: r.action}), cell: (r) => rate(own.rate(p + "findings", {detector: r.detector, action: r.action}) ?? 0)}, {key: "", title: "", cell: (r) => spark(own.rates(p + "findings", {detector: r.detector, action: r.action}), r.detector + ": findings a second")}], [...rows.values()], {sort: "n", empty: empty("Nothing was found yet", "The scrubber has found no personal data or secrets since the start. Try a text below.")})),
      missed.length > 0 && note("warn", el("strong", {}, "Some values could not be scrubbed in detail: "), missed.map((s) => `${s.labels.reason} ${whole(s.values.at(-1))} (${s.labels.outcome})`).join(", ")));
  });
}

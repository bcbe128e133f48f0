// A chart of lines over time, with axes, legend and a cursor that mouse and keyboard move.
import {el, put, svg} from "./dom.js";
import {clock, date, num} from "./format.js";

const maxCurves = 60;
const H = 260, left = 56, right = 12, top = 10, bottom = 24;

// steps returns round numbers from min to max.
function steps(min, max, count) {
  const raw = (max - min) / count || 1, power = 10 ** Math.floor(Math.log10(raw));
  const step = power * [1, 2, 5, 10].find((f) => f * power >= raw);
  const all = [];
  for (let v = Math.ceil(min / step) * step; v <= max + step * 1e-9; v += step) all.push(Math.abs(v) < step * 1e-9 ? 0 : v);
  return all;
}

const spans = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800, 2592000].map((s) => s * 1000);

function timeSteps(from, to, count) {
  const step = spans.find((s) => (to - from) / s <= count) || spans.at(-1);
  const offset = new Date(from).getTimezoneOffset() * 60000, all = [];
  for (let t = Math.ceil((from - offset) / step) * step + offset; t <= to; t += step) all.push(t);
  return {step, all};
}

function timeLabel(t, step) {
  const d = new Date(t), two = (n) => String(n).padStart(2, "0");
  if (step >= 86400000) return date(t).slice(5);
  return two(d.getHours()) + ":" + two(d.getMinutes()) + (step < 60000 ? ":" + two(d.getSeconds()) : "");
}

// chart draws curves [{name, points: [[ms, value]], detail}] from one time to another. options: unit (a format), label, onpick(curve, time).
export function chart(curves, from, to, options = {}) {
  const format = options.unit || num;
  const all = curves.slice(0, maxCurves);
  const off = new Set();
  const root = el("div", {class: "chart"});
  const tip = el("div", {class: "tip", hidden: true});
  const legend = el("div", {class: "legend"});
  let width = 900, picture, cursor, at = null;
  const x = (t) => left + (t - from) / (to - from) * (width - left - right);

  function draw() {
    const seen = all.filter((c) => !off.has(c));
    let min = Infinity, max = -Infinity;
    for (const c of seen) for (const [, v] of c.points) if (v !== null && Number.isFinite(v)) { if (v < min) min = v; if (v > max) max = v; }
    if (min === Infinity) { min = 0; max = 1; }
    if (min > 0 && min < max * 0.7 || min === max && min > 0) min = 0;
    if (max < 0 && max > min * 0.7 || min === max && max < 0) max = 0;
    if (min === max) max = min + 1;
    const pad = (max - min) * 0.05;
    if (max !== 0) max += pad;
    if (min !== 0) min -= pad;
    const y = (v) => top + (max - v) / (max - min) * (H - top - bottom);
    const lines = [], labels = [];
    for (const v of steps(min, max, 5)) {
      lines.push(svg("line", {class: "axis", x1: left, x2: width - right, y1: y(v), y2: y(v)}));
      labels.push(svg("text", {x: left - 6, y: y(v) + 4, "text-anchor": "end"}, format(v)));
    }
    const {step, all: times} = timeSteps(from, to, Math.max(2, Math.floor(width / 110)));
    for (const t of times) labels.push(svg("text", {x: x(t), y: H - 7, "text-anchor": "middle"}, timeLabel(t, step)));
    const curved = seen.map((c) => {
      let d = "", down = false, dots = [];
      c.points.forEach(([t, v], i) => {
        if (v === null || !Number.isFinite(v)) { down = false; return; }
        d += (down ? "L" : "M") + x(t).toFixed(1) + " " + y(v).toFixed(1);
        if (!down && (i + 1 >= c.points.length || c.points[i + 1][1] === null)) dots.push(svg("circle", {cx: x(t), cy: y(v), r: 2, class: "column"}));
        down = true;
      });
      return svg("g", {class: "c" + all.indexOf(c) % 10}, svg("path", {class: "curve", d}), dots);
    });
    const marks = (options.marks || []).filter((m) => m.time >= from && m.time <= to).slice(0, 200).map((m) => {
      const mark = svg("path", {class: "mark c3", d: `M${x(m.time)} ${y(Math.min(max, Math.max(min, m.value))) - 5}l5 5l-5 5l-5 -5z`, fill: "var(--c)", tabindex: 0, role: "link"}, svg("title", {}, m.title));
      mark.addEventListener("click", m.open);
      mark.addEventListener("keydown", (e) => { if (e.key === "Enter") m.open(); });
      return mark;
    });
    cursor = svg("line", {class: "cursor", y1: top, y2: H - bottom, visibility: "hidden"});
    picture = svg("svg", {class: "plot", viewBox: `0 0 ${width} ${H}`, role: "img", tabindex: 0, "aria-label": (options.label || "Chart") + ", " + all.length + " curves. Arrow keys move the cursor."}, lines, labels, curved, marks, cursor);
    picture.addEventListener("pointermove", (e) => { const box = picture.getBoundingClientRect(); point(from + ((e.clientX - box.left) / box.width * width - left) / (width - left - right) * (to - from)); });
    picture.addEventListener("pointerleave", hide);
    picture.addEventListener("blur", hide);
    picture.addEventListener("keydown", (e) => {
      if (e.key !== "ArrowLeft" && e.key !== "ArrowRight") return;
      e.preventDefault();
      const stepTime = (to - from) / 60;
      point(Math.min(to, Math.max(from, (at ?? (from + to) / 2) + (e.key === "ArrowLeft" ? -stepTime : stepTime))));
    });
    put(root, picture, tip, legend);
  }

  function hide() { at = null; tip.hidden = true; cursor.setAttribute("visibility", "hidden"); }

  function point(t) {
    if (t < from || t > to) return hide();
    at = t;
    const near = (c) => {
      let best = null;
      for (const p of c.points) if (p[1] !== null && (best === null || Math.abs(p[0] - t) < Math.abs(best[0] - t))) best = p;
      return best;
    };
    const found = all.filter((c) => !off.has(c)).map((c) => [c, near(c)]).filter(([, p]) => p && Math.abs(p[0] - t) < (to - from) / 20).sort((a, b) => b[1][1] - a[1][1]);
    if (found.length === 0) return hide();
    const time = found.reduce((best, [, p]) => Math.abs(p[0] - t) < Math.abs(best - t) ? p[0] : best, found[0][1][0]);
    cursor.setAttribute("x1", x(time));
    cursor.setAttribute("x2", x(time));
    cursor.setAttribute("visibility", "visible");
    tip.hidden = false;
    put(tip, el("strong", {}, clock(time)), found.slice(0, 12).map(([c, p]) => el("div", {class: "c" + all.indexOf(c) % 10}, el("i", {class: "dot"}), el("span", {}, c.name), el("b", {}, format(p[1])))), found.length > 12 && el("small", {}, `and ${found.length - 12} more`));
    const share = x(time) / width;
    tip.style.setProperty("left", share < 0.5 ? `calc(${share * 100}% + 10px)` : "auto");
    tip.style.setProperty("right", share < 0.5 ? "auto" : `calc(${(1 - share) * 100}% + 10px)`);
  }

  put(legend, all.map((c, i) => el("button", {class: "c" + i % 10, "aria-pressed": "true", on: {click: (e) => {
    if (e.shiftKey || e.altKey) { const only = off.size !== all.length - 1 || off.has(c); off.clear(); if (only) for (const o of all) if (o !== c) off.add(o); }
    else if (off.has(c)) off.delete(c); else off.add(c);
    [...legend.querySelectorAll("button")].forEach((b, n) => b.setAttribute("aria-pressed", String(!off.has(all[n]))));
    draw();
  }}, title: "Hide or show; with Shift: this one alone"}, el("i", {class: "dot"}), el("span", {}, c.name))), curves.length > maxCurves && el("small", {}, `${maxCurves} of ${curves.length} series are drawn; the table has all.`));
  draw();
  new ResizeObserver(([entry]) => { const w = Math.round(entry.contentRect.width); if (w > 50 && w !== width) { width = w; draw(); } }).observe(root);
  return root;
}

// columns draws counts [[ms, n, kind]] over time; choose(from, to) is called with the bucket that is clicked.
export function columns(counts, from, to, step, choose, label) {
  const height = 70, w = 1000;
  const max = Math.max(1, ...counts.map((c) => c[1]));
  const picture = svg("svg", {class: "plot", viewBox: `0 0 ${w} ${height}`, preserveAspectRatio: "none", role: "img", "aria-label": label, height});
  for (const [t, n] of counts) {
    if (n === 0) continue;
    const at = (t - from) / (to - from) * w, h = Math.max(1.5, n / max * (height - 4));
    const one = svg("rect", {class: "column c0", x: at + 0.5, y: height - h, width: Math.max(1, step / (to - from) * w - 1), height: h}, svg("title", {}, clock(t) + ": " + n));
    if (choose) one.addEventListener("click", () => choose(t, t + step));
    picture.append(one);
  }
  return el("div", {class: "chart histogram"}, picture, el("div", {class: "row"}, el("small", {}, clock(from)), el("span", {class: "grow"}), el("small", {}, "at most " + num(max)), el("span", {class: "grow"}), el("small", {}, clock(to))));
}

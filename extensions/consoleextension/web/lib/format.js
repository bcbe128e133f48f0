// Numbers and times for people.

const units = ["", "k", "M", "G", "T", "P"];

function scaled(value, step, names) {
  let v = Math.abs(value), i = 0;
  while (v >= step && i < names.length - 1) { v /= step; i++; }
  const text = v >= 100 || (i === 0 && Number.isInteger(v)) ? v.toFixed(0) : v >= 10 ? v.toFixed(1) : v >= 0.1 || v === 0 ? v.toFixed(2).replace(/\.?0+$/, "") : v.toPrecision(2);
  return (value < 0 ? "−" : "") + text + (names[i] ? "\u202f" + names[i] : "");
}

// num is 1234567 as 1.23 M.
export function num(v) { return v === null || v === undefined || Number.isNaN(v) ? "–" : Math.abs(v) === Infinity ? (v < 0 ? "−∞" : "∞") : scaled(v, 1000, units); }

// whole is 1234567 as 1 234 567.
export function whole(v) { return v === null || v === undefined ? "–" : String(Math.round(v)).replace(/\B(?=(\d{3})+$)/g, "\u202f"); }

export function bytes(v) { return v === null || v === undefined || Number.isNaN(v) ? "–" : scaled(v, 1024, ["B", "KiB", "MiB", "GiB", "TiB"]); }

export function rate(v) { return v === null || v === undefined || Number.isNaN(v) ? "–" : num(v) + "/s"; }

export function percent(v) { return v === null || v === undefined || Number.isNaN(v) ? "–" : (v * 100 >= 10 || v === 0 ? (v * 100).toFixed(0) : (v * 100).toPrecision(2)) + "\u202f%"; }

// duration of seconds: 3 min 20 s.
export function duration(s) {
  if (s === null || s === undefined || Number.isNaN(s)) return "–";
  if (s < 0) return "−" + duration(-s);
  const three = (v) => v >= 100 ? v.toFixed(0) : v.toPrecision(3).replace(/\.0+$/, ""); // toPrecision alone writes 1.00e+3
  if (s > 0 && s < 0.001) return three(s * 1e6) + "\u202fµs";
  if (s > 0 && s < 1) return three(s * 1000) + "\u202fms";
  if (s < 60) return (s < 10 ? s.toFixed(1).replace(/\.0$/, "") : s.toFixed(0)) + "\u202fs";
  if (s < 3600) return Math.floor(s / 60) + "\u202fmin" + (s % 60 >= 1 && s < 600 ? " " + Math.floor(s % 60) + "\u202fs" : "");
  if (s < 86400) return Math.floor(s / 3600) + "\u202fh" + (s % 3600 >= 60 ? " " + Math.floor(s % 3600 / 60) + "\u202fmin" : "");
  return Math.floor(s / 86400) + "\u202fd" + (s % 86400 >= 3600 ? " " + Math.floor(s % 86400 / 3600) + "\u202fh" : "");
}

const pad = (n, width = 2) => String(n).padStart(width, "0");

// clock is a time of day, with the date where it is not today's.
export function clock(ms, withMillis) {
  const d = new Date(ms);
  const time = pad(d.getHours()) + ":" + pad(d.getMinutes()) + ":" + pad(d.getSeconds()) + (withMillis ? "." + pad(d.getMilliseconds(), 3) : "");
  return new Date().toDateString() === d.toDateString() ? time : date(ms) + " " + time;
}

export function date(ms) { const d = new Date(ms); return d.getFullYear() + "-" + pad(d.getMonth() + 1) + "-" + pad(d.getDate()); }

// stamp is date and time, whole.
export function stamp(ms) { const d = new Date(ms); return date(ms) + " " + pad(d.getHours()) + ":" + pad(d.getMinutes()) + ":" + pad(d.getSeconds()); }

// ago is how long before now a time is.
export function ago(time, now = Date.now()) { return duration(Math.max(0, Math.round((now - new Date(time).getTime()) / 1000))) + " ago"; }

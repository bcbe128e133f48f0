// The shell: menu, health, key, theme, and the view that the address names.
import {el, put, svg} from "./lib/dom.js";
import {askToken, forgetToken, get, hasToken} from "./lib/api.js";
import {failed, note} from "./lib/ui.js";
import {duration} from "./lib/format.js";
import {views} from "./views.js";

const healthEvery = 2000;
const main = document.getElementById("main");
const top = document.querySelector(".top");
const side = document.querySelector(".side");
let about = null, leave = new AbortController(), shown = "";

// Theme: the system's, unless the user has chosen one.
function theme(chosen) {
  if (chosen) localStorage.setItem("penstock-theme", chosen);
  const now = chosen || localStorage.getItem("penstock-theme") || "auto";
  if (now === "auto") delete document.documentElement.dataset.theme; else document.documentElement.dataset.theme = now;
  return now;
}
theme();

// parse returns the view and the parameters of an address.
function parse() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split(/\?(.*)/s);
  return {id: path || "overview", params: new URLSearchParams(query)};
}

// href is the address of a view with parameters.
export function href(id, params = {}) {
  const kept = new URLSearchParams(Object.entries(params).filter(([, v]) => v !== undefined && v !== null && v !== ""));
  const query = kept.toString();
  return "#/" + id + (query ? "?" + query : "");
}

function context(id, params) {
  const signal = leave.signal;
  return {
    about, params, signal, href,
    link: (view, parameters, ...children) => el("a", {href: href(view, parameters)}, ...children),
    go: (view, parameters) => { location.hash = href(view, parameters); },
    // set makes the address say what is shown, without showing it again.
    set: (parameters) => { shown = href(id, parameters); history.replaceState(null, "", shown); },
    // every calls work now and then, while the page is visible; the next call waits for the last. Errors are shown, and leave with the next success.
    every: (seconds, work) => {
      const place = el("div", {});
      main.prepend(place);
      let timer;
      const run = async () => {
        try {
          if (!document.hidden) {
            await work();
            if (place.firstChild) put(place);
          }
        } catch (error) {
          if (signal.aborted) return;
          put(place, failed(error));
        }
        if (!signal.aborted) timer = setTimeout(run, seconds * 1000);
      };
      signal.addEventListener("abort", () => clearTimeout(timer));
      return run();
    },
  };
}

async function show() {
  const {id, params} = parse();
  if (location.hash === shown && shown !== "") return;
  shown = location.hash;
  delete main.dataset.shown;
  leave.abort();
  leave = new AbortController();
  const signal = leave.signal;
  const view = views.find((v) => v.id === id);
  for (const link of side.querySelectorAll("a")) {
    if (link.dataset.view === id) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
  }
  side.querySelector("[aria-current]")?.scrollIntoView({block: "nearest", inline: "nearest"});
  document.title = (view ? view.title + " · " : "") + "Penstock";
  put(main);
  if (!view) {
    put(main, el("h1", {}, "No such view"), el("p", {}, "The menu lists those that there are."));
    return;
  }
  main.append(el("h1", {}, view.title));
  try {
    const module = await view.load();
    if (signal.aborted) return;
    const body = el("div", {class: "view view-" + id});
    main.append(body);
    await module.show(body, context(id, params));
    main.dataset.shown = location.hash || "#/overview";
  } catch (error) {
    if (signal.aborted || error.name === "AbortError") return;
    main.append(failed(error, () => { shown = ""; show(); }));
  }
}

function menu() {
  const groups = new Map();
  for (const view of views) {
    if (view.needs && !view.needs(about)) continue;
    if (!groups.has(view.group)) groups.set(view.group, []);
    groups.get(view.group).push(view);
  }
  put(side, [...groups].map(([name, list]) => el("div", {class: "group"}, el("h2", {}, name), el("ul", {}, list.map((v) => el("li", {}, el("a", {href: href(v.id), "data-view": v.id}, v.title)))))));
}

const sun = () => svg("svg", {viewBox: "0 0 20 20", class: "icon", "aria-hidden": "true"}, svg("path", {d: "M10 3a7 7 0 1 0 0 14zM10 3a7 7 0 0 1 0 14", fill: "currentColor", "fill-rule": "evenodd"}), svg("circle", {cx: 10, cy: 10, r: 7, fill: "none", stroke: "currentColor", "stroke-width": 1.5}));

function header() {
  const health = el("a", {class: "health", href: href("overview"), role: "status"});
  const themes = ["auto", "light", "dark"];
  const switcher = el("button", {class: "quiet", on: {click: () => { theme(themes[(themes.indexOf(theme()) + 1) % 3]); label(); }}});
  const label = () => { put(switcher, sun(), el("span", {class: "wide"}, " " + theme())); switcher.setAttribute("aria-label", "Colours: " + theme() + ". Change"); switcher.title = switcher.getAttribute("aria-label"); };
  label();
  const key = el("button", {class: "quiet", on: {click: async () => {
    if (hasToken()) forgetToken(); else if (!await askToken("The page sends it with every request.")) return;
    await start();
  }}});
  put(key, hasToken() ? "Forget key" : "Key");
  put(top,
    el("a", {class: "brand", href: href("overview")}, el("img", {src: "icon.svg", alt: "", width: 24, height: 24}), el("strong", {}, about.name ? about.name[0].toUpperCase() + about.name.slice(1) : "Collector")),
    el("span", {class: "muted wide instance"}, about.host, about.version && " · " + about.version),
    about.tenant && el("span", {class: "pill info"}, "tenant " + about.tenant),
    el("span", {class: "grow"}), health, key, switcher);
  watch(health);
}

// watch shows the health, in every view: what is dead is seen within two seconds.
let watching = new AbortController();
function watch(place) {
  watching.abort();
  watching = new AbortController();
  const {signal} = watching;
  let last = "";
  const look = async () => {
    let text = "", kind = "";
    try {
      if (!document.hidden) {
        const answer = await get("v1/health", signal);
        kind = answer.status === "ok" ? "good" : "bad";
        const first = answer.reasons[0];
        text = kind === "good" ? "All is well" : first ? answer.reasons.length + (answer.reasons.length === 1 ? " problem" : " problems") + ", for " + duration(Math.max(0, Math.round((Date.now() - Date.parse(first.since)) / 1000))) : "Degraded";
        place.title = answer.reasons.map((r) => r.component + ": " + r.reason).join("\n");
      }
    } catch (error) {
      if (signal.aborted) return;
      kind = "bad";
      text = error.status ? "Health unknown" : "No answer";
    }
    if (text && text + kind !== last) {
      last = text + kind;
      place.className = "health " + kind;
      put(place, el("i", {}), text);
    }
    if (!signal.aborted) setTimeout(look, healthEvery);
  };
  look();
}

async function start() {
  try {
    about = await get("console/v1/about");
  } catch (error) {
    put(main, el("h1", {}, "Console"), failed(error, start), error.status === 401 && note("info", el("button", {class: "first", on: {click: async () => { if (await askToken("This collector requires an API key.")) await start(); }}}, "Enter a key")));
    return;
  }
  header();
  menu();
  shown = "";
  await show();
}

window.addEventListener("hashchange", show);
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement.tagName)) return;
  const search = main.querySelector("textarea, input[type=search], input[type=text]");
  if (search) { event.preventDefault(); search.focus(); }
});
start();

// A field for queries with completion: arrows choose, Tab or Enter takes, Escape closes; Enter runs, Shift+Enter begins a line.
import {el, put} from "./dom.js";

let made = 0;

// editor returns {root, input, value()}. candidates(text, caret) returns {start, list: [{text, kind, insert}]}, or a promise; run is called with the text.
export function editor({value, label, placeholder, candidates, run}) {
  const id = "suggest-" + made++;
  const list = el("ul", {class: "suggest", role: "listbox", id, hidden: true});
  const input = el("textarea", {rows: 2, spellcheck: "false", autocapitalize: "off", autocomplete: "off", "aria-label": label, placeholder, role: "combobox", "aria-expanded": "false", "aria-controls": id, "aria-autocomplete": "list"});
  input.value = value || "";
  const root = el("div", {class: "relative"}, input, list);
  let open = [], chosen = -1, start = 0, asked = 0;

  function close() { open = []; chosen = -1; list.hidden = true; input.setAttribute("aria-expanded", "false"); input.removeAttribute("aria-activedescendant"); }

  function mark() {
    [...list.children].forEach((item, i) => item.setAttribute("aria-selected", String(i === chosen)));
    if (chosen >= 0) { list.children[chosen].scrollIntoView({block: "nearest"}); input.setAttribute("aria-activedescendant", id + "-" + chosen); } else input.removeAttribute("aria-activedescendant");
  }

  function take(c) {
    const text = c.insert ?? c.text, end = input.selectionStart;
    input.setRangeText(text, start, end, "end");
    if (c.back) input.selectionStart = input.selectionEnd = input.selectionEnd - c.back;
    close();
    input.focus();
    if (c.more) look();
  }

  async function look() {
    const now = ++asked;
    let found;
    try { found = await candidates(input.value, input.selectionStart); } catch { found = null; }
    if (now !== asked) return;
    if (!found || found.list.length === 0 || document.activeElement !== input) return close();
    open = found.list;
    start = found.start;
    chosen = -1;
    put(list, open.map((c, i) => el("li", {role: "option", id: id + "-" + i, on: {mousedown: (e) => { e.preventDefault(); take(c); }}}, el("span", {}, c.text), el("small", {class: "muted"}, c.kind))));
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
  }

  input.addEventListener("input", look);
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (e) => {
    if (open.length && (e.key === "ArrowDown" || e.key === "ArrowUp")) {
      e.preventDefault();
      chosen = (chosen + (e.key === "ArrowDown" ? 1 : open.length + (chosen < 0 ? 0 : -1)) + open.length) % open.length;
      mark();
    } else if (open.length && (e.key === "Tab" && !e.shiftKey || e.key === "Enter" && chosen >= 0)) {
      e.preventDefault();
      take(open[Math.max(0, chosen)]);
    } else if (e.key === "Escape") close();
    else if (e.key === "Enter" && !e.shiftKey) { e.preventDefault(); close(); asked++; run(input.value.trim()); }
    else if (e.key === " " && e.ctrlKey) { e.preventDefault(); look(); }
  });
  return {root, input, value: () => input.value.trim()};
}

// Requests to the origin of the page. A token or key that the user enters is kept in sessionStorage: until the tab is closed, and in no address.
import {el} from "./dom.js";

const tokenKey = "penstock-admin-token";
const root = new URL("../../", import.meta.url); // of the admin listener

export class ApiError extends Error {
  constructor(message, status) { super(message); this.status = status; }
}

export function address(path) { return new URL(path, root).href; }

export function hasToken() { return sessionStorage.getItem(tokenKey) !== null; }

export function forgetToken() { sessionStorage.removeItem(tokenKey); }

function headers(more) {
  const all = {...more};
  const token = sessionStorage.getItem(tokenKey);
  if (token) all.Authorization = "Bearer " + token;
  return all;
}

// message of an answer that is no success: what the server says, in words.
function message(status, text) {
  let said = text.trim();
  try {
    const body = JSON.parse(text);
    said = body.error || body.message || said;
    if (Array.isArray(body.problems) && body.problems.length) said += ": " + body.problems.join("; ");
  } catch { /* it is text */ }
  if (status === 401) return "This needs a key: " + (said || "use the button Key");
  if (status === 403) return "Not allowed with this key: " + said;
  return said.slice(0, 2000) || "The server answered " + status;
}

async function fetched(path, options) {
  try {
    return await fetch(address(path), {cache: "no-store", ...options, headers: headers(options.headers)});
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError("The collector does not answer. Is it running?", 0);
  }
}

// get returns the JSON at a path.
export async function get(path, signal, more) {
  const response = await fetched(path, {signal, headers: more});
  const text = await response.text();
  if (!response.ok) throw new ApiError(message(response.status, text), response.status);
  return text ? JSON.parse(text) : null;
}

// lines calls each with every JSON line of an answer, as they come; it ends with the answer.
export async function lines(path, signal, each, more) {
  const response = await fetched(path, {signal, headers: more});
  if (!response.ok) throw new ApiError(message(response.status, await response.text()), response.status);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const {value, done} = await reader.read();
    if (done) break;
    const parts = (rest + value).split("\n");
    rest = parts.pop();
    for (const part of parts) if (part.trim()) each(JSON.parse(part));
  }
  if (rest.trim()) each(JSON.parse(rest));
}

// send changes something, and asks for the admin token or a key when the server wants one.
export async function send(method, path, body) {
  for (;;) {
    const had = hasToken();
    const response = await fetched(path, {method, headers: {"Content-Type": "application/json"}, body: body === undefined ? undefined : JSON.stringify(body)});
    const text = await response.text();
    if (response.status === 401) {
      forgetToken();
      if (await askToken(had ? "The token is wrong." : "This changes what can't be undone.")) continue;
    }
    if (!response.ok) {
      const error = new ApiError(message(response.status, text), response.status);
      try { error.answer = JSON.parse(text); } catch { /* it is text */ }
      throw error;
    }
    return text ? JSON.parse(text) : null;
  }
}

// askToken asks the user, and says whether there is a token now.
export function askToken(why) {
  const field = el("input", {type: "password", autocomplete: "off", "aria-label": "Admin token or API key"});
  const dialog = el("dialog", {class: "ask"},
    el("form", {method: "dialog"},
      el("h2", {}, "Admin token or API key"),
      el("p", {}, why, " Enter an API key that may do it, or the admin token, which is in the file admin-token in the data directory. This tab keeps it until it is closed."),
      field,
      el("p", {class: "row end"}, el("button", {value: "", class: "quiet", formnovalidate: true}, "Cancel"), el("button", {value: "ok", class: "first"}, "Use it"))));
  document.body.append(dialog);
  dialog.showModal();
  field.focus();
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    dialog.close("ok");
  });
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      const entered = dialog.returnValue === "ok" ? field.value.trim() : "";
      if (entered) sessionStorage.setItem(tokenKey, entered);
      resolve(entered !== "");
    });
  });
}

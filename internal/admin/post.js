"use strict";
const tokenKey = "penstock-admin-token";

// askToken shows a field for the token and returns what the user enters, or null.
function askToken(message) {
  const dialog = document.createElement("dialog");
  const form = document.createElement("form");
  const text = document.createElement("p");
  const field = document.createElement("input");
  const ok = document.createElement("button");
  const cancel = document.createElement("button");
  form.method = "dialog";
  text.textContent = message;
  field.type = "password";
  field.autocomplete = "off";
  field.setAttribute("aria-label", "Admin token");
  ok.value = "ok";
  ok.textContent = "Use this token";
  cancel.value = "";
  cancel.textContent = "Cancel";
  form.append(text, field, " ", ok, " ", cancel);
  dialog.append(form);
  document.body.append(dialog);
  dialog.showModal();
  field.focus();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "ok" ? field.value.trim() : null);
    });
  });
}

// post sends body as JSON and returns {status, answer}. It asks for the admin token when the server wants it.
async function post(url, body) {
  for (;;) {
    const headers = {"Content-Type": "application/json"};
    const token = sessionStorage.getItem(tokenKey);
    if (token) headers.Authorization = "Bearer " + token;
    const response = await fetch(url, {method: "POST", headers, body: JSON.stringify(body), cache: "no-store"});
    const text = await response.text();
    if (response.status === 401) {
      sessionStorage.removeItem(tokenKey);
      const entered = await askToken((token ? "The token is wrong. " : "") + "Admin token (the file admin-token in the data directory):");
      if (entered) {
        sessionStorage.setItem(tokenKey, entered);
        continue;
      }
    }
    let answer = {error: text.trim()};
    try { answer = JSON.parse(text); } catch {}
    return {status: response.status, answer};
  }
}

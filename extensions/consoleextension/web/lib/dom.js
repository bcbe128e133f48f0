// Elements without markup: whatever comes from users is text.

const SVG = "http://www.w3.org/2000/svg";

function fill(node, props, children) {
  for (const [name, value] of Object.entries(props || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "on") for (const [event, handler] of Object.entries(value)) node.addEventListener(event, handler);
    else if (name === "css") for (const [property, v] of Object.entries(value)) node.style.setProperty(property, v);
    else if (name === "value" || name === "checked" || name === "disabled" || name === "selected") node[name] = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  add(node, children);
  return node;
}

function add(node, children) {
  for (const child of children) {
    if (child === undefined || child === null || child === false) continue;
    if (Array.isArray(child)) add(node, child);
    else node.append(child instanceof Node ? child : String(child));
  }
}

// el makes an element; attributes by name, css and on as objects.
export function el(tag, props, ...children) { return fill(document.createElement(tag), props, children); }

// svg makes an element of a picture.
export function svg(tag, props, ...children) { return fill(document.createElementNS(SVG, tag), props, children); }

// put replaces the content of a node.
export function put(node, ...children) {
  node.replaceChildren();
  add(node, children);
  return node;
}

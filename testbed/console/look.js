// look returns what is wrong with the page as it is: text that is hard to read, content that is wider than the window, markup that came from data.
(() => {
  const problems = [];
  const root = document.documentElement;
  if (root.scrollWidth > root.clientWidth) {
    const wide = [...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > root.clientWidth + 1 && !e.closest(".scroll, .side")).slice(0, 3);
    problems.push("scrolls sideways: " + root.scrollWidth + " of " + root.clientWidth + " px: " + wide.map((e) => e.tagName + "." + e.className).join(", "));
  }
  const menu = document.querySelector(".side"), link = menu.querySelector("a");
  if (link && menu.clientHeight < link.offsetHeight) problems.push("the menu is cut: " + menu.clientHeight + " px high");
  for (const cell of document.querySelectorAll("td.break, td.mono")) if (cell.clientWidth < 80 && cell.innerText.length > 12) problems.push("a column of " + cell.clientWidth + " px breaks words: " + cell.innerText.slice(0, 40));
  for (const box of document.querySelectorAll("input[type=checkbox]")) if (box.checkVisibility() && box.offsetWidth < 12) problems.push("a checkbox of " + box.offsetWidth + " px");
  if (window.planted !== undefined) problems.push("a planted script has run");
  for (const e of document.querySelectorAll("script:not([src]), iframe, object, [onclick], [onerror], img:not([src$='icon.svg'])")) problems.push("markup from data: " + e.outerHTML.slice(0, 200));

  const color = (text) => {
    const m = /rgba?\(([\d.]+),? ([\d.]+),? ([\d.]+)(?:[,/ ]+([\d.]+))?\)/.exec(text);
    return m ? {r: +m[1], g: +m[2], b: +m[3], a: m[4] === undefined ? 1 : +m[4]} : null;
  };
  const over = (top, bottom) => ({r: top.r * top.a + bottom.r * (1 - top.a), g: top.g * top.a + bottom.g * (1 - top.a), b: top.b * top.a + bottom.b * (1 - top.a), a: 1});
  const light = ({r, g, b}) => [r, g, b].map((c) => { c /= 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; }).reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (e) => {
    const layers = [];
    for (let n = e; n; n = n.parentElement) { const c = color(getComputedStyle(n).backgroundColor); if (c && c.a > 0) { layers.push(c); if (c.a === 1) break; } }
    let all = matchMedia("(prefers-color-scheme: dark)").matches && !root.dataset.theme || root.dataset.theme === "dark" ? {r: 0, g: 0, b: 0, a: 1} : {r: 255, g: 255, b: 255, a: 1};
    for (const c of layers.reverse()) all = over(c, all);
    return all;
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let looked = 0;
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const e = node.parentElement;
    if (!node.textContent.trim() || !e.checkVisibility({checkOpacity: true, checkVisibilityCSS: true}) || e.closest("noscript, option, :disabled, .skip, title")) continue;
    const style = getComputedStyle(e);
    let front = color(e instanceof SVGElement ? style.fill : style.color);
    if (!front) { problems.push("colour not understood: " + style.color); continue; }
    let opacity = front.a;
    for (let n = e; n; n = n.parentElement) opacity *= +getComputedStyle(n).opacity;
    const back = behind(e);
    front = over({...front, a: opacity}, back);
    const [x, y] = [light(front), light(back)].sort((a, b) => b - a);
    const size = parseFloat(style.fontSize), large = size >= 24 || size >= 18.66 && +style.fontWeight >= 700;
    const ratio = (x + 0.05) / (y + 0.05);
    looked++;
    if (ratio < (large ? 3 : 4.5)) problems.push(`contrast ${ratio.toFixed(2)} of "${node.textContent.trim().slice(0, 40)}" in ${e.tagName}.${e.getAttribute("class") || ""}`);
  }
  for (const input of document.querySelectorAll("main input, main select, main textarea")) if (!input.labels?.length && !input.getAttribute("aria-label")) problems.push("a field without a label: " + input.outerHTML.slice(0, 100));
  if (looked < 10) problems.push("there is hardly any text on the page: " + document.body.innerText.slice(0, 200));
  return [...new Set(problems)];
})()

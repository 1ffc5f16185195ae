(() => {
  const found = new Set(), pairs = new Set();
  const secrets = [...document.querySelectorAll(".secret")];
  for (const e of secrets.slice(50)) e.remove(); // they differ in their names alone
  const all = [...document.querySelectorAll("*")];
  for (const e of document.querySelectorAll("details")) e.open = true;

  const name = e => `<${e.tagName.toLowerCase()} class="${e.getAttribute("class") ?? ""}">`;
  const clear = c => c === "none" || c === "transparent" || c.startsWith("url") || /^rgba.*, 0\)$/.test(c);
  const light = c => {
    const [r, g, b] = c.match(/[\d.]+/g).map(x => x / 255).map(x => x <= 0.03928 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (a, b) => (Math.max(light(a), light(b)) + 0.05) / (Math.min(light(a), light(b)) + 0.05);
  const ground = e => {
    for (; e; e = e.parentElement) {
      const c = getComputedStyle(e).backgroundColor;
      if (!clear(c)) return c;
    }
    return "rgb(255, 255, 255)";
  };
  const need = (e, ink, paper) => {
    pairs.add(`${ink} on ${paper}`);
    if (contrast(ink, paper) < 4.5) found.add(`contrast ${contrast(ink, paper).toFixed(2)}: ${ink} on ${paper} at ${name(e)}`);
  };
  const shown = e => e.checkVisibility() && !e.closest("pattern, title, desc, style, head");
  const hasText = e => [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());

  for (const e of all) {
    for (const a of e.attributes) {
      if (/^on|^style$|^src|^srcdoc$|^action$/.test(a.name) || a.name === "href" && !a.value.startsWith("#"))
        found.add(`${a.name} at ${name(e)}`);
    }
    if (e.matches("script, link, img, iframe, object, embed, form, base")) found.add(`${e.tagName.toLowerCase()} in the page`);
    if (!shown(e)) continue;
    const style = getComputedStyle(e), svg = e.closest("svg");
    if (hasText(e)) need(e, svg ? style.fill : style.color, ground(e));
    if (!svg && style.borderLeftWidth !== "0px" && style.borderLeftStyle !== "none") need(e, style.borderLeftColor, ground(e));
    // A shape has at least one colour that contrasts with the paper. The ground of
    // a pattern and of an outline has not: the outline has it.
    if (e.matches("rect, path, line") && !e.matches(".halo")) {
      const inks = [style.fill, style.stroke].filter(c => !clear(c));
      const outlined = e.matches("rect") && e.parentElement.querySelector(":scope > line");
      if (!outlined) {
        const best = inks.filter(c => e.tagName !== "line" || c === style.stroke).sort((a, b) => contrast(b, ground(e)) - contrast(a, ground(e)))[0];
        if (best) need(e, best, ground(e));
        else if (!e.closest(".accepted, .announced")) found.add(`no colour at ${name(e)}`);
      }
    }
  }
  const hatch = document.querySelector(".hatch");
  if (hatch) need(hatch, getComputedStyle(hatch).stroke, getComputedStyle(document.querySelector(".hatched")).fill);

  // A word beside each colour.
  for (const [part, word] of [[".secret", ".state"], [".version", ".label"], [".legend li", "span"], ["header", ".state"]]) {
    for (const e of document.querySelectorAll(part)) {
      if (!e.querySelector(word)?.textContent.trim()) found.add(`no word beside the colour of ${name(e)}`);
    }
  }

  // Nothing is wider than the screen, also within a part that would be cut off.
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width) found.add(`wider than the screen: ${document.documentElement.scrollWidth}`);
  for (const e of document.querySelectorAll("body *")) {
    if (!shown(e) || e.closest("svg .lane svg, .defs, use")) continue;
    const box = e.getBoundingClientRect();
    if (box.width && (box.right > width + 0.5 || box.left < -0.5)) found.add(`wider than the screen: ${name(e)} ${box.left} to ${box.right}`);
  }

  // The line of now crosses no text.
  const texts = [...document.querySelectorAll(".label, .id, h3, .facts span, .state, .ruler text")].filter(shown);
  const boxes = texts.slice(0, 400).map(e => {
    const range = document.createRange();
    range.selectNodeContents(e);
    return [e, range.getBoundingClientRect()];
  });
  for (const line of [...document.querySelectorAll(".now")].slice(0, 200)) {
    const l = line.getBoundingClientRect();
    for (const [e, t] of boxes) {
      if (e.closest(".ruler") || !t.width) continue;
      if (t.left < l.right && t.right > l.left && t.top + 4 < l.bottom && t.bottom - 4 > l.top) found.add(`the line of now crosses ${name(e)}`);
    }
  }
  const labels = [...document.querySelectorAll(".ruler text")].filter(shown).map(e => [e, e.getBoundingClientRect()]);
  for (const [a, x] of labels) {
    for (const [b, y] of labels) {
      if (a !== b && x.left < y.right && y.left < x.right && x.top + 2 < y.bottom && y.top + 2 < x.bottom)
        found.add(`label ${a.textContent} overlaps ${b.textContent}`);
    }
  }
  return {
    faults: [...found], pairs: [...pairs], secrets: secrets.length,
    lanes: document.querySelectorAll(".lane").length, paper: getComputedStyle(document.body).backgroundColor,
  };
})()

// What a page owes its readers, as one list of faults. Contrast by WCAG 2.2, 1.4.3: 4.5 to 1, large text 3 to 1.
(() => {
  const faults = [];
  const name = (it) => `${it.tagName.toLowerCase()}${it.id ? `#${it.id}` : ""}${it.getAttribute("class") ? `.${it.getAttribute("class")}` : ""}`;
  const visible = (it) => it.checkVisibility({ opacityProperty: true, visibilityProperty: true, contentVisibilityAuto: false });

  const parsed = (text) => {
    const numbers = (text.match(/[\d.]+/g) || [0, 0, 0, 0]).map(Number);
    return [numbers[0], numbers[1], numbers[2], numbers.length > 3 ? numbers[3] : text === "none" ? 0 : 1];
  };
  const over = (top, below) => [0, 1, 2].map((at) => top[at] * top[3] + below[at] * (1 - top[3])).concat(1);
  const light = (colour) => {
    const [r, g, b] = colour.slice(0, 3).map((part) => (part /= 255) <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = (one, two) => {
    const [high, low] = [light(one), light(two)].sort((a, b) => b - a);
    return (high + 0.05) / (low + 0.05);
  };
  const ground = (it) => {
    const box = it instanceof SVGElement && it.closest("a")?.querySelector(".box");
    if (box) return parsed(getComputedStyle(box).fill);
    const layers = [];
    for (let at = it; at; at = at.parentElement) {
      const colour = parsed(getComputedStyle(at).backgroundColor);
      if (colour[3] > 0) layers.push(colour);
      if (colour[3] === 1) break;
    }
    return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255, 1]);
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const it = node.parentElement;
    if (!node.data.trim() || it.closest("script, style") || !visible(it)) continue;
    const style = getComputedStyle(it);
    const colour = parsed(it instanceof SVGElement ? style.fill : style.color);
    const size = parseFloat(style.fontSize);
    const wanted = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5;
    const found = ratio(over(colour, ground(it)), ground(it));
    if (found < wanted) faults.push(`contrast ${found.toFixed(2)} of ${name(it)}: ${node.data.trim().slice(0, 40)}`);
  }

  for (const image of document.querySelectorAll("img")) {
    if (!image.hasAttribute("alt")) faults.push(`no alt: ${name(image)}`);
    const around = image.closest("a, button, li");
    if (image.alt === "" && !around?.textContent.trim()) faults.push(`nothing names the picture in ${name(image.parentElement)}`);
    if (image.src && !image.src.startsWith("data:image/webp;base64,")) faults.push(`a picture from elsewhere: ${image.src.slice(0, 60)}`);
  }
  for (const it of document.querySelectorAll("a, button, input, textarea, [tabindex='0']")) {
    const label = it.getAttribute("aria-label") || it.textContent.trim() || it.querySelector("img")?.alt || it.labels?.[0]?.textContent;
    if (!label) faults.push(`no name: ${name(it)}`);
  }
  for (const it of document.querySelectorAll("a[href^='#']")) {
    if (!document.getElementById(it.getAttribute("href").slice(1))) faults.push(`leads nowhere: ${it.getAttribute("href")}`);
  }
  const levels = [...document.querySelectorAll("main h1, main h2, main h3, main h4")].map((it) => Number(it.tagName[1]));
  levels.forEach((level, at) => { if (at && level > levels[at - 1] + 1) faults.push(`a heading of level ${level} below ${levels[at - 1]}`); });
  const wide = document.documentElement.scrollWidth - innerWidth;
  if (wide > 0) faults.push(`wider than the window by ${wide}`);
  for (const it of document.querySelectorAll(".scrolls")) {
    const beyond = Math.round(it.getBoundingClientRect().right - innerWidth);
    if (beyond > 0) faults.push(`cut off by ${beyond}, with nothing to scroll: ${name(it)}`);
  }
  return faults;
})()

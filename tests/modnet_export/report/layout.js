// What a page shows beyond its bounds, as a list of sentences. Whoever scrolls sideways may hold wider things.
() => {
  const found = [], slack = 1;
  const scrolls = element => ["auto", "scroll"].includes(getComputedStyle(element).overflowX);
  const name = element => `${element.tagName}.${element.getAttribute("class") ?? ""} "${element.textContent.trim().slice(0, 40)}"`;
  const within = (inner, outer, what) => {
    if (inner.width && (inner.left < outer.left - slack || inner.right > outer.right + slack))
      found.push(`${what}: ${inner.left} to ${inner.right}, in ${outer.left} to ${outer.right}`);
  };
  const block = element => getComputedStyle(element).display.startsWith("inline") ? block(element.parentElement) : element;
  if (document.scrollingElement.scrollWidth > innerWidth) found.push(`the page is ${document.scrollingElement.scrollWidth} wide`);
  for (const element of document.body.querySelectorAll("*")) {
    if (!element.checkVisibility() || element.closest("svg svg, defs") || element.ownerSVGElement) continue;
    const around = block(element.parentElement);
    if (!scrolls(around)) within(element.getBoundingClientRect(), around.getBoundingClientRect(), name(element));
    for (const node of element.childNodes) {
      if (node.nodeType !== Node.TEXT_NODE || !node.data.trim() || ["SCRIPT", "STYLE"].includes(element.tagName)) continue;
      const range = document.createRange();
      range.selectNodeContents(node);
      const lines = range.getClientRects();
      if (lines.length > 1 && element.matches("button, figcaption, td:not(.words td)")) found.push(`broken into lines: ${name(element)}`);
      for (const line of lines) within(line, block(element).getBoundingClientRect(), `text of ${name(element)}`);
    }
  }
  for (const diagram of document.querySelectorAll("svg[role=img]:not(:has(> use))")) {
    const view = diagram.getBoundingClientRect(), axes = diagram.querySelector("#axes_1 > #patch_2").getBoundingClientRect();
    for (const text of diagram.querySelectorAll("[id^=text_], text")) {
      const box = text.getBoundingClientRect();
      within(box, view, `in a diagram, ${name(text)}`);
      if (box.top < view.top - slack || box.bottom > view.bottom + slack) found.push(`a diagram cuts ${name(text)}`);
    }
    for (const axis of diagram.querySelectorAll("[id^='matplotlib.axis_']")) {
      const numbers = [...axis.querySelectorAll("[id*=tick_] text")].map(text => text.textContent);
      if (new Set(numbers).size < numbers.length) found.push(`an axis of ${diagram.ariaLabel} says ${numbers}`);
    }
    const legend = diagram.querySelector("[id^=legend_]");
    if (!legend) continue;
    const box = legend.getBoundingClientRect();
    if (box.top < axes.bottom && box.left < axes.right) found.push(`a legend lies on the curves of ${diagram.ariaLabel}`);
    const styles = [...legend.querySelectorAll("[id^=line2d_] > path")].map(path => `${path.style.stroke} ${path.style.strokeDasharray}`);
    if (!styles.length || new Set(styles).size < styles.length) found.push(`two series of ${diagram.ariaLabel} look the same: ${styles}`);
  }
  return found;
}

// Every text whose contrast with what is behind it is below 4.5 (WCAG 2.1 AA), as a list of sentences.
() => {
  const parts = colour => colour.match(/[\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, k) => sum + v * [.2126, .7152, .0722][k], 0);
  const paper = element => {
    const colour = getComputedStyle(element).backgroundColor;
    return parts(colour)[3] === 0 ? paper(element.parentElement) : parts(colour);
  };
  const found = [];
  for (const element of document.body.querySelectorAll("*")) {
    const text = [...element.childNodes].some(node => node.nodeType === Node.TEXT_NODE && node.data.trim());
    if (!text || !element.checkVisibility() || ["SCRIPT", "STYLE"].includes(element.tagName)) continue;
    const style = getComputedStyle(element);
    const [ink, behind] = [luminance(parts(element.ownerSVGElement ? style.fill : style.color)), luminance(paper(element))];
    const contrast = (Math.max(ink, behind) + .05) / (Math.min(ink, behind) + .05);
    if (contrast < 4.5) found.push(`${element.tagName} "${element.textContent.slice(0, 30)}": ${contrast}`);
  }
  return found;
}

// Runs in a page: the texts that do not stand out from their ground, by WCAG 2.2 (1.4.3): 4.5 to 1, 3 to 1 where they are large.
;(() => {
  const parse = (color) => (color.match(/[\d.]+/g) ?? []).map(Number)
  const part = (each) => each / 255 <= 0.03928 ? each / 255 / 12.92 : ((each / 255 + 0.055) / 1.055) ** 2.4
  const luminance = ([red, green, blue]) => 0.2126 * part(red) + 0.7152 * part(green) + 0.0722 * part(blue)
  const groundOf = (element) => {
    for (let up = element; up !== null; up = up.parentElement) {
      const color = parse(getComputedStyle(up).backgroundColor)
      if (color[3] !== 0) return color
    }
    return [255, 255, 255]
  }
  const ratioOf = (element, style) => {
    const [dark, light] = [luminance(parse(style.color)), luminance(groundOf(element))].sort((a, b) => a - b)
    return (light + 0.05) / (dark + 0.05)
  }
  const found = []
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
    const element = node.parentElement
    const text = node.textContent.trim()
    if (text === "" || element.closest(".unseen, .skip, datalist, noscript") !== null) continue
    if (element.getClientRects().length === 0) continue
    const style = getComputedStyle(element)
    const size = parseFloat(style.fontSize)
    const least = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5
    const ratio = ratioOf(element, style)
    if (ratio < least) found.push(`${text.slice(0, 40)}: ${ratio.toFixed(2)} of ${least}`)
  }
  return found
})()

import { MAX_CONTENT_BYTES } from "../domain/limits.js"

/**
 * A text in parts that each fit into a memory, cut where it is read best: between paragraphs, else lines, else words. Nothing of
 * it is lost but the white space at a cut.
 */
export const partsOf = (text: string, mostBytes: number = MAX_CONTENT_BYTES): ReadonlyArray<string> => {
  const parts: Array<string> = []
  let rest = text
  while (Buffer.byteLength(rest) > mostBytes) {
    const cut = cutOf(rest, mostBytes)
    parts.push(rest.slice(0, cut).trimEnd())
    rest = rest.slice(cut).trimStart()
  }
  return [...parts, rest].filter((part) => part !== "")
}

/** Where the first part ends. */
const cutOf = (text: string, mostBytes: number): number => {
  let most = 0
  for (let bytes = 0; most < text.length;) {
    const code = text.codePointAt(most) ?? 0
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4
    if (bytes > mostBytes) break
    most += code < 0x10000 ? 1 : 2
  }
  const begin = text.slice(0, most)
  const found = ["\n\n", "\n", " "].map((between) => begin.lastIndexOf(between)).find((at) => at > most / 2)
  return found ?? most
}

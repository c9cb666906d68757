import type { Line } from "./rows.js"

/** Lines that are sent together. */
export interface Part {
  readonly lines: ReadonlyArray<Line>
  /** How many lines there are up to its beginning. */
  readonly from: number
  /** For all of them. */
  readonly isForeign: boolean
}

/** Of one request: well below what a body may have, and as many rows as an import takes. */
const MAX_PART_BYTES = 1024 * 1024
const MAX_PART_LINES = 1000

/** Takes lines as they come, and gives what is to be sent; the first ones are left out. */
export const parting = (skipped: number) => {
  let lines: Array<Line> = []
  let bytes = 0
  let from = 0

  /** What there is, if there is anything. */
  const rest = (): Part | undefined => {
    const [first] = lines
    if (first === undefined) return undefined
    const part = { lines, from, isForeign: first.isForeign }
    from += lines.length
    lines = []
    bytes = 0
    return part
  }

  /** A part that is full without this line. */
  const take = (line: Line): Part | undefined => {
    if (from < skipped) {
      from++
      return undefined
    }
    const size = Buffer.byteLength(line.text) + 1
    const isFull = lines.length >= MAX_PART_LINES || bytes + size > MAX_PART_BYTES ||
      (lines[0] !== undefined && lines[0].isForeign !== line.isForeign)
    const part = isFull ? rest() : undefined
    lines.push(line)
    bytes += size
    return part
  }

  return { take, rest }
}

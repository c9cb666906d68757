/** A line of a stream, or the news that it was longer than one may be: then nothing of it is kept. */
export type Line = { readonly text: string } | { readonly isTooLong: true }

const NEWLINE = 0x0a

/** The lines of bytes that come in any pieces. The last one needs no end. */
export async function* lines(input: AsyncIterable<Buffer>, mostBytes: number): AsyncGenerator<Line> {
  let parts: Array<Buffer> = []
  let bytes = 0
  const take = (): Line => {
    const line = bytes > mostBytes ? { isTooLong: true } as const : { text: Buffer.concat(parts).toString("utf8") }
    parts = []
    bytes = 0
    return line
  }
  for await (const chunk of input) {
    for (let from = 0; from < chunk.length;) {
      const end = chunk.indexOf(NEWLINE, from)
      const part = chunk.subarray(from, end === -1 ? chunk.length : end)
      from = end === -1 ? chunk.length : end + 1
      bytes += part.length
      if (bytes <= mostBytes) parts.push(part)
      else parts = []
      if (end !== -1) yield take()
    }
  }
  if (bytes > 0) yield take()
}

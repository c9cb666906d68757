import * as Data from "effect/Data"

/** A source is none of what can be read. */
export class Unreadable extends Data.TaggedError("Unreadable")<{ readonly reason: string }> {
  override get message() {
    return this.reason
  }
}

/** Bytes as text. It is not guessed what is not UTF-8. */
export async function* texts(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true })
  let isFirst = true
  try {
    for await (const chunk of bytes) {
      if (isFirst && ZIP.every((byte, at) => chunk[at] === byte)) {
        throw new Unreadable({ reason: "it is a ZIP archive: unpack it, and give what is in it" })
      }
      isFirst = false
      const text = decoder.decode(chunk, { stream: true })
      if (text !== "") yield text
    }
    const rest = decoder.decode()
    if (rest !== "") yield rest
  } catch (error) {
    throw error instanceof TypeError ? new Unreadable({ reason: "it is not a text in UTF-8" }) : error
  }
}

const ZIP = [0x50, 0x4b, 0x03, 0x04]

/** What was looked at before, and then the rest. */
export interface Peeked {
  readonly head: string
  /** There is nothing more than the head. */
  readonly isAll: boolean
  readonly all: AsyncGenerator<string>
}

/** Looks at the beginning of a text, as far as to where that is enough. */
export const peek = async (
  source: AsyncGenerator<string>,
  isEnough: (head: string) => boolean
): Promise<Peeked> => {
  let head = ""
  let isAll = false
  while (!isAll && !isEnough(head)) {
    const next = await source.next()
    if (next.done === true) isAll = true
    else head += next.value
  }
  return { head, isAll, all: followedBy(head, source) }
}

async function* followedBy(head: string, rest: AsyncGenerator<string>): AsyncGenerator<string> {
  if (head !== "") yield head
  yield* rest
}

/** A line of a text, from 1, or the news that it is longer than one may be: then nothing of it is kept. */
interface TextLine {
  readonly number: number
  readonly text: string | undefined
}

/** The lines of a text that comes in any pieces. */
export async function* lines(source: AsyncIterable<string>, mostChars: number): AsyncGenerator<TextLine> {
  let parts: Array<string> = []
  let chars = 0
  let number = 0
  const add = (part: string) => {
    chars += part.length
    if (chars <= mostChars) parts.push(part)
    else parts = []
  }
  const take = (): TextLine => {
    const text = chars > mostChars ? undefined : parts.join("")
    parts = []
    chars = 0
    return { number: ++number, text }
  }
  for await (const text of source) {
    for (let from = 0; from < text.length;) {
      const end = text.indexOf("\n", from)
      add(text.slice(from, end === -1 ? text.length : end))
      from = end === -1 ? text.length : end + 1
      if (end !== -1) yield take()
    }
  }
  if (chars > 0) yield take()
}

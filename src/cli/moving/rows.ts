import type { Stamp } from "../../domain/Stamp.js"
import { complete } from "../../transfer/complete.js"
import * as Intake from "../../transfer/Intake.js"
import { read } from "../../transfer/reading/read.js"
import { Unreadable } from "../../transfer/reading/texts.js"
import type { Sources } from "./sources.js"

interface How {
  readonly format: string | undefined
  readonly namespace: string | undefined
  /** Of what neither says when it was written nor stands in a file that does. */
  readonly now: Stamp
  /** So many bytes more were read. */
  readonly onBytes: (bytes: number) => void
}

/** A line of an import, where it came from, and how it is brought in. */
export interface Line {
  readonly kind: "line"
  readonly at: Intake.Place
  readonly id: string | undefined
  readonly text: string
  /** Nobody chose its title to be unique. */
  readonly isForeign: boolean
}

type Said = Exclude<Intake.Taken, Intake.TakenRow>

/**
 * All that sources come to, in their order: the same each time that they are read, as long as they are the same. Throws `Unreadable`
 * where the only one can not be read.
 */
export async function* rows({ all, left }: Sources, how: How): AsyncGenerator<Line | Said> {
  const intake = Intake.make({ namespace: how.namespace })
  for (const { file, reason } of left) yield { kind: "remark", at: { line: 0, file }, reason }
  for (const source of all) {
    const { date, file, path } = source
    try {
      for await (const each of read(counted(source.bytes(), how.onBytes), { format: how.format, path })) {
        for (const taken of intake.take(each, { file, date })) yield lineOf(taken, how.now)
      }
    } catch (cause) {
      if (!(cause instanceof Unreadable) || file === undefined) throw cause
      yield { kind: "remark", at: { line: 0, file }, reason: `passed over: ${cause.reason}` }
    }
  }
  for (const link of intake.links()) yield lineOf(link, how.now)
}

async function* counted(bytes: AsyncIterable<Uint8Array>, onBytes: How["onBytes"]): AsyncGenerator<Uint8Array> {
  for await (const chunk of bytes) {
    onBytes(chunk.byteLength)
    yield chunk
  }
}

/** What has neither an id nor a date the daemon makes whole: by its text it knows whether that is there. */
const lineOf = (taken: Intake.Taken, now: Stamp): Line | Said => {
  if (taken.kind !== "row") return taken
  const { at, isForeign, type, value } = taken
  const isKnownByText = value["id"] === undefined && value["created_at"] === undefined
  const whole = !isForeign || (type === "memory" && isKnownByText)
    ? value
    : type === "memory"
    ? complete(value, now)
    : { created_at: now, ...value }
  const id = whole["id"]
  return {
    kind: "line",
    at,
    id: typeof id === "string" ? id : undefined,
    text: JSON.stringify({ ...whole, type }),
    isForeign
  }
}

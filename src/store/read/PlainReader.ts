import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import * as Message from "../../domain/Message.js"
import { openReader, Sqlite } from "../log/Sqlite.js"
import * as Scope from "../Scope.js"
import { keeping } from "./Kept.js"
import { isTextRow, TEXT_COLUMNS, textColumns, textOf } from "./plainTexts.js"

/** A memory as it is sent. */
export interface Plain {
  /** JSON. */
  readonly text: string
  readonly updatedAt: string
}

/**
 * Reads a memory that is sent as it stands: by one statement, into its text. Nothing of it is decoded that would be encoded
 * again. What takes more than that is left to `MemoryReader` and `LinkReader`, which answer the same of all that is found here.
 */
export class PlainReader extends Context.Tag("quorate/store/PlainReader")<PlainReader, {
  /**
   * The visible memory with exactly this id; null where there is none, or more has to be looked at: it has links, or another id
   * stands for it, it is a message, has fields that this version has no word for, whoever asks is kept to some namespaces, or the file can not
   * be read: that is to be told by those who look after it.
   */
  readonly get: (id: string) => Effect.Effect<Plain | null>
  /** The same at once, for whoever is not kept to some namespaces. */
  readonly now: (id: string) => Plain | null
}>() {}

const make = Effect.gen(function*() {
  const { file, writer } = yield* Sqlite
  const db = yield* openReader(file)
  const select = db.prepare<[string], ReadonlyArray<unknown>>(
    `SELECT ${textColumns}, m.namespace, m.updated_at FROM memories m
      WHERE id = ? AND visible = 1 AND carried IS NULL AND NOT EXISTS (SELECT 1 FROM aliases WHERE target = m.id)
        AND NOT EXISTS (SELECT 1 FROM objects WHERE ${isLink} AND json_extract(body, '$.source_id') = m.id)
        AND NOT EXISTS (SELECT 1 FROM objects WHERE ${isLink} AND json_extract(body, '$.target_id') = m.id)`
  ).raw()
  const known = keeping(writer, (id) => {
    const row = select.get(id)
    return row === undefined ? null : plainOf(row)
  })
  const now = (id: string): Plain | null => {
    try {
      return known(id)
    } catch {
      return null
    }
  }
  return PlainReader.of({
    now,
    get: (id) =>
      Effect.withFiberRuntime<Plain | null>((fiber) =>
        Effect.succeed(fiber.getFiberRef(Scope.current) === null ? now(id) : null)
      )
  })
})

export const layer: Layer.Layer<PlainReader, never, Sqlite> = Layer.scoped(PlainReader, make)

const isLink = "type = 'link' AND current = 1"

const plainOf = (row: ReadonlyArray<unknown>): Plain | null => {
  const { [TEXT_COLUMNS]: namespace, [TEXT_COLUMNS + 1]: updatedAt } = row
  if (!isTextRow(row) || !Predicate.isString(namespace) || !Predicate.isString(updatedAt)) return null
  return Message.is({ namespace }) ? null : { text: textOf(row), updatedAt }
}

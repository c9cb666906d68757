import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Message from "../../domain/Message.js"
import { openReader, Sqlite } from "../log/Sqlite.js"
import * as Scope from "../Scope.js"

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
}>() {}

const make = Effect.gen(function*() {
  const { file } = yield* Sqlite
  const db = yield* openReader(file)
  const select = db.prepare<[string], unknown>(
    `SELECT id, tier, namespace, title, content, tags, priority, confidence, source, access_count, created_at, updated_at,
        last_accessed_at, expires_at, metadata, extended_until FROM memories m
      WHERE id = ? AND visible = 1 AND carried IS NULL AND NOT EXISTS (SELECT 1 FROM aliases WHERE target = m.id)
        AND NOT EXISTS (SELECT 1 FROM objects WHERE ${isLink} AND json_extract(body, '$.source_id') = m.id)
        AND NOT EXISTS (SELECT 1 FROM objects WHERE ${isLink} AND json_extract(body, '$.target_id') = m.id)`
  )
  return PlainReader.of({
    get: (id) =>
      Effect.withFiberRuntime<Plain | null>((fiber) => {
        if (fiber.getFiberRef(Scope.current) !== null) return Effect.succeed(null)
        try {
          const row = select.get(id)
          return Effect.succeed(
            isRow(row) && !Message.is(row) ? { text: textOf(row), updatedAt: row.updated_at } : null
          )
        } catch {
          return Effect.succeed(null)
        }
      })
  })
})

export const layer: Layer.Layer<PlainReader, never, Sqlite> = Layer.scoped(PlainReader, make)

const isLink = "type = 'link' AND current = 1"

const Row = Schema.Struct({
  id: Schema.String,
  tier: Schema.String,
  namespace: Schema.String,
  title: Schema.String,
  content: Schema.String,
  /** JSON. */
  tags: Schema.String,
  priority: Schema.Number,
  confidence: Schema.Number,
  source: Schema.String,
  access_count: Schema.Number,
  created_at: Schema.String,
  updated_at: Schema.String,
  last_accessed_at: Schema.NullOr(Schema.String),
  expires_at: Schema.NullOr(Schema.String),
  /** JSON. */
  metadata: Schema.String,
  extended_until: Schema.NullOr(Schema.String)
})
type Row = typeof Row.Type

/** A row is checked like everything that enters the process: one of another form is left to whoever says what is wrong with it. */
const isRow = Schema.is(Row)

/** The memory of a row, as `fromRow` in `MemoryReader` has it: a test compares both. */
const textOf = (row: Row): string =>
  `{"id":${JSON.stringify(row.id)},"tier":${JSON.stringify(row.tier)},"namespace":${
    JSON.stringify(row.namespace)
  },"title":${JSON.stringify(row.title)},"content":${
    JSON.stringify(row.content)
  },"tags":${row.tags},"priority":${row.priority},"confidence":${row.confidence},"source":${
    JSON.stringify(row.source)
  },"access_count":${row.access_count},"created_at":${JSON.stringify(row.created_at)},"updated_at":${
    JSON.stringify(row.updated_at)
  }${row.last_accessed_at === null ? "" : `,"last_accessed_at":${JSON.stringify(row.last_accessed_at)}`}${
    expiryOf(row)
  },"metadata":${row.metadata}}`

const expiryOf = ({ expires_at, extended_until }: Row): string => {
  if (expires_at === null) return ""
  return `,"expires_at":${
    JSON.stringify(extended_until !== null && extended_until > expires_at ? extended_until : expires_at)
  }`
}

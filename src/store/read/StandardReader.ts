import * as SqlClient from "@effect/sql/SqlClient"
import type * as Statement from "@effect/sql/Statement"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Governance from "../../domain/Governance.js"
import type { Memory } from "../../domain/Memory.js"
import * as NamespaceMeta from "../../domain/NamespaceMeta.js"
import { hotSpan } from "../../telemetry/hotSpan.js"
import { liveIdSql } from "../deciding/liveId.js"
import type { ReadFailed } from "../errors.js"
import { decodeRows, fromRow, readFailed } from "./MemoryReader.js"

/** The tag of a memory that was made to be a standard. */
export const TAG = "_namespace_standard"

/** The standard of a namespace. */
export interface Standard {
  readonly namespace: string
  /** As it was set. */
  readonly standardId: string
  readonly parent: string | null
  /** None when it was deleted or archived, or has not arrived yet. */
  readonly memory: Option.Option<Memory>
}

/** Reads what namespaces ask of their memories. */
export class StandardReader extends Context.Tag("quorate/store/StandardReader")<StandardReader, {
  readonly standard: (namespace: string) => Effect.Effect<Option.Option<Standard>, ReadFailed>
  /** `Governance.chainOf` by the parents that are set. */
  readonly chain: (namespace: string) => Effect.Effect<ReadonlyArray<string>, ReadFailed>
  /** The newest memory of the namespace that was made to be a standard. */
  readonly tagged: (namespace: string) => Effect.Effect<Option.Option<string>, ReadFailed>
  /** Standards in the order of their namespaces. */
  readonly all: (limit: number) => Effect.Effect<ReadonlyArray<Standard>, ReadFailed>
}>() {}

const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient

  const entries = (condition: Statement.Fragment, limit: number) =>
    sql`SELECT body FROM objects WHERE type = 'namespace_meta' AND current = 1 AND ${condition}
      ORDER BY key LIMIT ${limit}`.pipe(
      Effect.flatMap(decodeEntries),
      Effect.map((rows) => rows.map(({ body }) => body))
    )

  const entry = (namespace: string) =>
    Effect.map(entries(sql`key = ${namespace}`, 1), ([found]) => Option.fromNullable(found))

  /** The memory that the id stands for; not what is archived. */
  const memoryOf = (id: string) =>
    sql`WITH given (id) AS (SELECT ${id})
      SELECT m.* FROM given CROSS JOIN memories m ON m.id = ${sql.literal(liveIdSql("given.id"))}`.pipe(
      Effect.flatMap(decodeRows),
      Effect.map(([row]) => Option.map(Option.fromNullable(row), fromRow))
    )

  const standardOf = (meta: NamespaceMeta.NamespaceMeta) =>
    Effect.map(memoryOf(meta.standard_id), (memory): Standard => ({
      namespace: meta.namespace,
      standardId: meta.standard_id,
      parent: meta.parent_namespace,
      memory
    }))

  const chain = (namespace: string) =>
    Effect.gen(function*() {
      const parents = new Map<string, string>()
      let at = Governance.rootOf(namespace)
      for (let step = 0; step < Governance.MAX_PARENTS; step++) {
        const parent = Option.getOrUndefined(yield* entry(at))?.parent_namespace ?? null
        if (parent === null || parents.has(at)) break
        parents.set(at, parent)
        at = parent
      }
      return Governance.chainOf(namespace, (name) => parents.get(name) ?? null)
    })

  const tagged = (namespace: string) =>
    sql`SELECT m.id FROM memories m WHERE m.namespace = ${namespace} AND m.visible = 1
        AND EXISTS (SELECT 1 FROM json_each(m.tags) t WHERE t.value = ${TAG})
      ORDER BY m.updated_at DESC, m.id LIMIT 1`.pipe(
      Effect.flatMap(decodeIds),
      Effect.map(([row]) => Option.map(Option.fromNullable(row), ({ id }) => id))
    )

  return StandardReader.of({
    standard: (namespace) =>
      Effect.flatMap(entry(namespace), Effect.transposeMapOption(standardOf)).pipe(
        readFailed,
        hotSpan("StandardReader.standard")
      ),
    chain: (namespace) => chain(namespace).pipe(readFailed, hotSpan("StandardReader.chain")),
    tagged: (namespace) => tagged(namespace).pipe(readFailed, hotSpan("StandardReader.tagged")),
    all: (limit) =>
      Effect.flatMap(entries(sql`1`, limit), Effect.forEach(standardOf)).pipe(
        readFailed,
        hotSpan("StandardReader.all")
      )
  })
})

export const layer: Layer.Layer<StandardReader, never, SqlClient.SqlClient> = Layer.effect(StandardReader, make)

const decodeEntries = Schema.decodeUnknown(
  Schema.Array(Schema.Struct({ body: Schema.parseJson(NamespaceMeta.NamespaceMeta) }))
)
const decodeIds = Schema.decodeUnknown(Schema.Array(Schema.Struct({ id: Schema.String })))

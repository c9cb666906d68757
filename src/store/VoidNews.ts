import * as SqlClient from "@effect/sql/SqlClient"
import * as SqlSchema from "@effect/sql/SqlSchema"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type { AuditEvent } from "../domain/AuditEvent.js"
import { Origin } from "../domain/ids.js"
import { AuditLog } from "../telemetry/AuditLog.js"
import { nodeOf } from "./log/OpLog.js"
import { Sqlite } from "./log/Sqlite.js"
import { run } from "./log/statements.js"

/** What is told in one go, and how long is rested after that. */
const PAGE = 100
const EVERY = Duration.seconds(1)
const MIN_REST = Duration.millis(20)
const RETRIED_AFTER = Duration.seconds(5)

const Row = Schema.Struct({
  place: Schema.Int,
  origin: Origin,
  oseq: Schema.Int,
  op_id: Schema.String,
  kind: Schema.String,
  entity: Schema.String,
  why: Schema.NullOr(Schema.String)
})

/**
 * Tells the audit log which operations became void, or valid again. `judging` notes them in the transaction in which they do; they
 * are forgotten in the one in which the row is written, so that none is told twice and none is lost, whenever the node ends.
 */
export const layer: Layer.Layer<never, never, Sqlite | SqlClient.SqlClient | AuditLog> = Layer.scopedDiscard(
  Effect.gen(function*() {
    const { writer } = yield* Sqlite
    const sql = yield* SqlClient.SqlClient
    const { tell } = yield* AuditLog
    const forget = run(writer, "DELETE FROM void_news WHERE place <= ?")
    const page = SqlSchema.findAll({
      Request: Schema.Int,
      Result: Row,
      execute: (after) => sql`SELECT * FROM void_news WHERE place > ${after} ORDER BY place LIMIT ${PAGE}`
    })
    let told = 0
    const step = Effect.gen(function*() {
      const rows = yield* page(told)
      const last = rows.at(-1)
      if (last === undefined) return EVERY
      told = last.place
      yield* tell(rows.map(eventOf), () => {
        forget(last.place)
      })
      return MIN_REST
    }).pipe(
      Effect.tapError((error) =>
        Effect.logWarning("it could not be read which operations are void: trying again", error)
      ),
      Effect.retry(Schedule.spaced(RETRIED_AFTER))
    )
    yield* Effect.flatMap(step, Effect.sleep).pipe(
      Effect.forever,
      Effect.withTracerEnabled(false),
      Effect.tapErrorCause((cause) => Effect.logError("void operations are not told to the audit log any more", cause)),
      Effect.forkScoped
    )
  })
)

const eventOf = ({ entity, kind, op_id, origin, oseq, why }: typeof Row.Type): AuditEvent => ({
  type: why === null ? "federation.operation_valid" : "federation.operation_void",
  agentId: nodeOf(origin),
  payload: { op_id, origin, oseq, kind, entity, ...why === null ? {} : { why } }
})

import * as SqlClient from "@effect/sql/SqlClient"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { Origin } from "../../domain/ids.js"
import * as Stamp from "../../domain/Stamp.js"
import { Delivery, Subscription } from "../../domain/Subscription.js"
import type { VersionRef } from "../../replication/Operation.js"
import type { Name } from "../../replication/reissue.js"
import type { ReadFailed } from "../errors.js"
import { readFailed } from "./MemoryReader.js"

/** A subscription that stands, and what nodes say of how far it was served. */
export interface Subscribed {
  readonly subscription: Subscription
  /** The operation that made it. */
  readonly name: Name
  readonly version: VersionRef
  /** Each by another node, or one after the other has been heard of. */
  readonly deliveries: ReadonlyArray<{ readonly delivery: Delivery; readonly version: VersionRef }>
}

/** Reads subscriptions, the oldest first. Who is limited to some namespaces finds none. */
export class SubscriptionReader extends Context.Tag("quorate/store/SubscriptionReader")<SubscriptionReader, {
  readonly all: Effect.Effect<ReadonlyArray<Subscribed>, ReadFailed>
  readonly count: Effect.Effect<number, ReadFailed>
}>() {}

/** More are there only where somebody who speaks as a node made them. */
const MAX_READ = 1_024

const Ref = { hlc: Stamp.Stamp, origin: Origin }
const Row = Schema.Struct({
  key: Schema.String,
  ...Ref,
  oseq: Schema.Int,
  body: Schema.parseJson(Subscription),
  deliveries: Schema.parseJson(Schema.Array(Schema.Struct({ ...Ref, body: Delivery })))
})
const decode = Schema.decodeUnknown(Schema.Array(Row))
const decodeCount = Schema.decodeUnknown(Schema.Tuple(Schema.Struct({ count: Schema.Int })))

const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const all = sql`SELECT s.key, s.hlc, s.origin, s.oseq, s.body, (
      SELECT json_group_array(json_object('hlc', d.hlc, 'origin', d.origin, 'body', json(d.body)))
      FROM objects d WHERE d.type = 'delivery' AND d.key = s.key
    ) AS deliveries
    FROM objects s WHERE s.type = 'subscription' AND s.current = 1 ORDER BY s.hlc, s.key LIMIT ${MAX_READ}`
  const count = sql`SELECT count(*) AS count FROM objects WHERE type = 'subscription' AND current = 1`
  return SubscriptionReader.of({
    all: all.pipe(Effect.flatMap(decode), Effect.map((rows) => rows.map(subscribed)), readFailed),
    count: count.pipe(Effect.flatMap(decodeCount), Effect.map(([row]) => row.count), readFailed)
  })
})

export const layer: Layer.Layer<SubscriptionReader, never, SqlClient.SqlClient> = Layer.effect(SubscriptionReader, make)

const subscribed = ({ body, deliveries, hlc, key, origin, oseq }: typeof Row.Type): Subscribed => ({
  subscription: body,
  name: { origin, oseq },
  version: { id: key, hlc, origin },
  deliveries: deliveries.map((each) => ({
    delivery: each.body,
    version: { id: key, hlc: each.hlc, origin: each.origin }
  }))
})

import * as SqlClient from "@effect/sql/SqlClient"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Agent from "../../domain/Agent.js"
import * as Attestation from "../../domain/Attestation.js"
import { type Memory, Metadata } from "../../domain/Memory.js"
import type * as Stamp from "../../domain/Stamp.js"
import { hotSpan } from "../../telemetry/hotSpan.js"
import type { ReadFailed } from "../errors.js"
import * as Scope from "../Scope.js"
import { type Bounded, boundedBy, boundedMemories, rowBytes } from "./Bounded.js"
import { decodePaged, decodeRows, fromRow, readFailed } from "./MemoryReader.js"

export interface InboxPage {
  /** That of the agent's messages. */
  readonly namespace: string
  readonly now: Stamp.Stamp
  readonly unreadOnly: boolean
  /** Sent at this moment or later. */
  readonly since?: Stamp.Stamp | undefined
  readonly limit: number
  readonly offset: number
}

/** Reads who is registered, and what agents sent to each other. Reading a message is no use of it. */
export class AgentReader extends Context.Tag("quorate/store/AgentReader")<AgentReader, {
  readonly isRegistered: (agentId: string) => Effect.Effect<boolean, ReadFailed>
  /** The key that an agent is registered with, in base64; whoever asks may be told, and needs not see who is registered. */
  readonly keyOf: (agentId: string) => Effect.Effect<Option.Option<string>, ReadFailed>
  /** The one that was seen last comes first. */
  readonly agents: (
    page: { readonly limit: number; readonly offset: number }
  ) => Effect.Effect<ReadonlyArray<Agent.Agent>, ReadFailed>
  /**
   * Messages that have not expired, the newest first. Two of one title, sent on two nodes at the same time, are both there,
   * although only one of them holds the slot.
   */
  readonly inbox: (page: InboxPage) => Effect.Effect<Bounded<Memory>, ReadFailed>
}>() {}

const decodeMetadata = Schema.decodeUnknown(Schema.Array(Schema.Struct({ metadata: Schema.parseJson(Metadata) })))

const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient

  const isRegistered = (agentId: string) =>
    sql`SELECT 1 FROM memories
      WHERE namespace = ${Agent.NAMESPACE} AND title = ${Agent.titleOf(agentId)} AND visible = 1`.pipe(
      Effect.map((rows) => rows.length > 0)
    )

  const keyOf = (agentId: string) =>
    sql`SELECT metadata FROM memories
      WHERE namespace = ${Agent.NAMESPACE} AND title = ${Agent.titleOf(agentId)} AND visible = 1`.pipe(
      Effect.flatMap(decodeMetadata),
      Effect.map(([row]) => Option.fromNullable(row === undefined ? undefined : Attestation.keyOf(row.metadata))),
      Scope.within(null)
    )

  const agents = ({ limit, offset }: { readonly limit: number; readonly offset: number }) =>
    sql`SELECT * FROM memories WHERE namespace = ${Agent.NAMESPACE} AND visible = 1
        AND json_type(metadata, '$.agent_id') = 'text' AND json_type(metadata, '$.agent_type') = 'text'
      ORDER BY updated_at DESC, id LIMIT ${limit} OFFSET ${offset}`.pipe(
      Effect.flatMap(decodeRows),
      Effect.map((rows) => rows.flatMap((row) => Agent.ofMemory(row) ?? []))
    )

  const inbox = ({ limit, namespace, now, offset, since, unreadOnly }: InboxPage) => {
    const wanted = sql.and([
      sql`namespace = ${namespace}`,
      sql`(expires_at IS NULL OR expires_at > ${now} OR extended_until > ${now})`,
      ...(unreadOnly ? [sql`access_count = 0`] : []),
      ...(since === undefined ? [] : [sql`created_at >= ${since}`])
    ])
    const order = "created_at DESC, id"
    // The text of a message stands in an answer twice.
    const bytes = sql.literal(`${rowBytes} + octet_length(m.content)`)
    const found = sql`SELECT m.rid, m.created_at, m.id, ${bytes} AS bytes FROM memories m`
    const page = sql`${found} WHERE visible = 1 AND ${wanted} UNION ALL ${found} WHERE visible = 0 AND ${wanted}
      ORDER BY ${sql.literal(order)} LIMIT ${limit} OFFSET ${offset}`
    return boundedMemories(sql, page, order).pipe(Effect.flatMap(decodePaged), Effect.map(boundedBy(fromRow)))
  }

  return AgentReader.of({
    isRegistered: (agentId) => isRegistered(agentId).pipe(readFailed, hotSpan("AgentReader.isRegistered")),
    keyOf: (agentId) => keyOf(agentId).pipe(readFailed, hotSpan("AgentReader.keyOf")),
    agents: (page) => agents(page).pipe(readFailed, hotSpan("AgentReader.agents")),
    inbox: (page) => inbox(page).pipe(readFailed, hotSpan("AgentReader.inbox"))
  })
})

export const layer: Layer.Layer<AgentReader, never, SqlClient.SqlClient> = Layer.effect(AgentReader, make)

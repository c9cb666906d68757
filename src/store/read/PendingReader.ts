import * as SqlClient from "@effect/sql/SqlClient"
import * as SqlSchema from "@effect/sql/SqlSchema"
import type * as Statement from "@effect/sql/Statement"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { type NodeId, Origin } from "../../domain/ids.js"
import * as PendingAction from "../../domain/PendingAction.js"
import * as Stamp from "../../domain/Stamp.js"
import type { Operation } from "../../replication/Operation.js"
import { hotSpan } from "../../telemetry/hotSpan.js"
import { distinct, type Governed } from "../deciding/governed.js"
import { chainSql } from "../deciding/liveId.js"
import type { ReadFailed } from "../errors.js"
import { eventLoopTurn } from "../log/eventLoopTurn.js"
import { fromRow as operationOf, LogRow } from "../log/OpLog.js"
import { type Bounded, boundedBy, boundedSql } from "./Bounded.js"
import { readFailed } from "./MemoryReader.js"

/** How far an action got. A decision stands whatever the time; what nobody decided expires. */
export const STATUSES = ["pending", "approved", "rejected", "expired"] as const
export type Status = (typeof STATUSES)[number]

interface Page {
  readonly status?: Status | undefined
  readonly nowMillis: number
  readonly limit: number
  readonly offset: number
}

/** A pending action with the decisions that do not count. */
interface Listed extends Governed {
  readonly overruled: ReadonlyArray<PendingAction.Overruled>
}

/** A pending action with what was written about it. */
export interface Trace extends Governed {
  /** The operation of each vote, oldest first. */
  readonly voted: ReadonlyArray<{ readonly agentId: string; readonly operation: Operation }>
  /** The operation that decided, and the one that executed, where that was not the same. */
  readonly decided: ReadonlyArray<Operation>
}

/** A text that stands twice. */
interface Twice {
  readonly id: string
  /** What the decision came to that counts, and what this node made of it. */
  readonly counts: string
  readonly here: string
}

/** Something that whoever waits for approvals wants to hear of. */
export type ApprovalEvent =
  | { readonly type: "requested"; readonly action: PendingAction.PendingAction }
  | {
    readonly type: "decided"
    readonly action: PendingAction.PendingAction
    readonly decision: PendingAction.Decision
  }

/** What the log brought from one place in it up to another. */
interface News {
  readonly events: ReadonlyArray<ApprovalEvent>
  readonly upTo: number
}

/** Reads pending actions. */
export class PendingReader extends Context.Tag("quorate/store/PendingReader")<PendingReader, {
  /** The newest first. */
  readonly list: (page: Page) => Effect.Effect<Bounded<Listed>, ReadFailed>
  /** How many wait for a decision. */
  readonly countPending: (nowMillis: number) => Effect.Effect<number, ReadFailed>
  readonly trace: (id: string) => Effect.Effect<Option.Option<Trace>, ReadFailed>
  /** Ids of actions that nobody decided although they have the votes they need, the oldest first. */
  readonly ripe: (nowMillis: number, limit: number) => Effect.Effect<ReadonlyArray<string>, ReadFailed>
  /**
   * Stores that this node approved although they had been approved elsewhere before, and that came to another memory here: their
   * text stands twice in one slot, in the memory that counts and in this one.
   */
  readonly twice: (nodeId: NodeId, limit: number) => Effect.Effect<ReadonlyArray<Twice>, ReadFailed>
  /** The place of the newest operation in the log of this node. */
  readonly newest: Effect.Effect<number, ReadFailed>
  /** What came after a place in the log, in its order: of actions and decisions those that count. */
  readonly newsAfter: (after: number) => Effect.Effect<News, ReadFailed>
}>() {}

/** How far an action got, at a moment. */
export const statusOf = ({ action, decision }: Pick<Governed, "action" | "decision">, nowMillis: number): Status =>
  decision !== null
    ? decision.approved ? "approved" : "rejected"
    : PendingAction.isExpired(action, nowMillis)
    ? "expired"
    : "pending"

const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const list = makeList(sql)
  const countPending = makeCountPending(sql)
  const trace = makeTrace(sql)
  const ripe = makeRipe(sql)
  const twice = makeTwice(sql)
  const newest = makeNewest(sql)
  const newsAfter = makeNewsAfter(sql)

  return PendingReader.of({
    list: (page) => list(page).pipe(readFailed, hotSpan("PendingReader.list")),
    countPending: (nowMillis) => countPending(nowMillis).pipe(readFailed, hotSpan("PendingReader.countPending")),
    trace: (id) => trace(id).pipe(readFailed, hotSpan("PendingReader.trace")),
    ripe: (nowMillis, limit) => ripe(nowMillis, limit).pipe(readFailed),
    twice: (nodeId, limit) => readFailed(twice({ nodeId, limit })),
    newest: readFailed(newest),
    newsAfter: (after) => readFailed(newsAfter(after))
  })
})

export const layer: Layer.Layer<PendingReader, never, SqlClient.SqlClient> = Layer.effect(PendingReader, make)

/** The actions that count, each with its votes and its decision; more conditions may follow. */
export const governedSql = (sql: SqlClient.SqlClient): Statement.Fragment =>
  sql`SELECT p.key, p.body, d.body AS decision, (
      SELECT json_group_array(json(v.body)) FROM (
        SELECT body FROM objects WHERE type = 'vote' AND key = p.key ORDER BY hlc, origin, hash
      ) v
    ) AS votes, (
      SELECT json_group_array(json_object('origin', v.origin, 'oseq', v.oseq, 'decision', json(v.body))) FROM (
        SELECT origin, oseq, body FROM objects
        WHERE type = 'decision' AND key = p.key AND current = 0 ORDER BY hlc, origin, hash
      ) v
    ) AS others
    FROM objects p LEFT JOIN objects d ON d.type = 'decision' AND d.key = p.key AND d.current = 1
    WHERE p.type = 'pending' AND p.current = 1`

const makeList = (sql: SqlClient.SqlClient) => {
  const actions = governedSql(sql)
  const overruledOf = makeOverruledOf(sql)
  const selectKeys = makeSelectKeys(sql)
  return (page: Page) =>
    Effect.gen(function*() {
      const keys = yield* selectKeys(page)
      const rows = yield* sql`${actions} AND p.key IN (SELECT value FROM json_each(${JSON.stringify(keys.rows)}))
        ORDER BY p.hlc DESC, p.key`.pipe(Effect.flatMap(decodeRows))
      const listed = yield* Effect.forEach(
        rows,
        (row) => Effect.map(overruledOf(row), (overruled): Listed => ({ ...fromRow(row), overruled }))
      )
      return { rows: listed, truncated: keys.truncated }
    })
}

/** The keys of the actions of a page, as many as fit with their votes and their decision. */
const makeSelectKeys = (sql: SqlClient.SqlClient) => ({ limit, nowMillis, offset, status }: Page) => {
  const page = sql`SELECT p.key, p.hlc, octet_length(p.body) + 512 + (
      SELECT coalesce(sum(octet_length(v.body)), 0) FROM objects v WHERE v.type IN ('vote', 'decision') AND v.key = p.key
    ) AS bytes
    FROM objects p LEFT JOIN objects d ON d.type = 'decision' AND d.key = p.key AND d.current = 1
    WHERE p.type = 'pending' AND p.current = 1 AND ${isOf(sql, status, nowMillis)}
    ORDER BY p.hlc DESC, p.key LIMIT ${limit} OFFSET ${offset}`
  return sql`SELECT key, page_rows FROM (${boundedSql(sql, page, "hlc DESC, key")})`.pipe(
    Effect.flatMap(decodeKeys),
    Effect.map(boundedBy(({ key }) => key))
  )
}

/** What was done by the decisions that do not count. */
const makeOverruledOf = (sql: SqlClient.SqlClient) => {
  const selectNext = makeSelectNext(sql)
  const selectChain = makeSelectChain(sql)
  return (row: typeof Row.Type) =>
    Effect.forEach(row.others, ({ decision, origin, oseq }) =>
      Effect.gen(function*() {
        const governed: Governed = { ...fromRow(row), decision }
        const next = Option.map(yield* selectNext({ origin, oseq }), operationOf)
        const chain = (yield* selectChain(row.body.memory_id ?? "")).map(({ id }) => id)
        const execution = Option.getOrNull(Option.filter(next, (operation) => isExecution(governed, operation, chain)))
        return overruled(governed.action, decision, execution)
      }))
}

const overruled = (
  { action_type: type }: PendingAction.PendingAction,
  { approved, decided_at, decider, memory }: PendingAction.Decision,
  execution: Operation | null
): PendingAction.Overruled => ({
  approved,
  decided_by: decider,
  decided_at,
  memory_id: memory?.id ?? execution?.entity ?? null,
  done: memory !== undefined
    ? "stored"
    : execution === null
    ? null
    : execution.kind === "archive"
    ? "archived"
    : execution.kind === "delete"
    ? "deleted"
    : type === "promote"
    ? "promoted"
    : "merged"
})

const makeCountPending = (sql: SqlClient.SqlClient) => (nowMillis: number) =>
  sql`SELECT count(*) AS count FROM objects p LEFT JOIN objects d
        ON d.type = 'decision' AND d.key = p.key AND d.current = 1
      WHERE p.type = 'pending' AND p.current = 1 AND p.hlc > ${cutoff(nowMillis)} AND ${
    isOf(sql, "pending", nowMillis)
  }`
    .pipe(Effect.flatMap(decodeCount), Effect.map(([{ count }]) => count))

const makeTrace = (sql: SqlClient.SqlClient) => {
  const selectOne = makeSelectOne(sql)
  const selectOperations = makeSelectOperations(sql)
  const selectNext = makeSelectNext(sql)
  const selectChain = makeSelectChain(sql)

  return (id: string) =>
    Effect.gen(function*() {
      const found = yield* selectOne(id)
      if (Option.isNone(found)) return Option.none()
      const operations = (yield* selectOperations(id)).map(operationOf)
      const decision = operations.find(({ kind }) => kind === "decision")
      const next = decision === undefined ? Option.none() : Option.map(yield* selectNext(decision), operationOf)
      const chain = (yield* selectChain(found.value.action.memory_id ?? "")).map((row) => row.id)
      const executed = Option.filter(next, (operation) => isExecution(found.value, operation, chain))
      return Option.some({
        ...found.value,
        voted: operations.flatMap(votedOf),
        decided: [...(decision === undefined ? [] : [decision]), ...Option.toArray(executed)]
      })
    })
}

const makeSelectOne = (sql: SqlClient.SqlClient) => {
  const actions = governedSql(sql)
  return (id: string) =>
    sql`${actions} AND p.key = ${id}`.pipe(
      Effect.flatMap(decodeRows),
      Effect.map(([row]) => Option.map(Option.fromNullable(row), fromRow))
    )
}

/** The operations of the votes on an action, and of the decision that counts. */
const makeSelectOperations = (sql: SqlClient.SqlClient) =>
  SqlSchema.findAll({
    Request: Schema.String,
    Result: LogRow,
    execute: (id) =>
      sql`SELECT o.* FROM objects b JOIN oplog o ON o.origin = b.origin AND o.oseq = b.oseq
        WHERE b.key = ${id} AND (b.type = 'vote' OR (b.type = 'decision' AND b.current = 1))
        ORDER BY o.hlc, o.origin`
  })

/** The operation after another of the same origin. */
const makeSelectNext = (sql: SqlClient.SqlClient) =>
  SqlSchema.findOne({
    Request: Schema.Struct({ origin: Origin, oseq: Schema.Int }),
    Result: LogRow,
    execute: ({ origin, oseq }) => sql`SELECT * FROM oplog WHERE origin = ${origin} AND oseq = ${oseq + 1}`
  })

const makeSelectChain = (sql: SqlClient.SqlClient) =>
  SqlSchema.findAll({
    Request: Schema.String,
    Result: Schema.Struct({ id: Schema.String }),
    execute: (id) =>
      sql`WITH RECURSIVE given (id) AS (SELECT ${id}), ${sql.literal(chainSql("(SELECT id FROM given)"))}
        SELECT id FROM chain`
  })

const makeRipe = (sql: SqlClient.SqlClient) => (nowMillis: number, limit: number) =>
  sql`SELECT v.key AS id FROM objects v
        CROSS JOIN objects p ON p.type = 'pending' AND p.key = v.key AND p.current = 1
      WHERE v.type = 'vote' AND v.current = 1 AND v.hlc > ${cutoff(nowMillis)}
        AND NOT EXISTS (SELECT 1 FROM objects d WHERE d.type = 'decision' AND d.key = v.key)
        AND (SELECT count(DISTINCT lower(json_extract(w.body, '$.agent_id')))
          FROM objects w WHERE w.type = 'vote' AND w.key = v.key) >= json_extract(p.body, '$.approver.consensus')
      ORDER BY v.hlc LIMIT ${limit}`.pipe(Effect.flatMap(decodeIds), Effect.map((rows) => rows.map(({ id }) => id)))

/** What a decision that carries no memory came to stands next to it in the log. */
const makeTwice = (sql: SqlClient.SqlClient) =>
  SqlSchema.findAll({
    Request: Schema.Struct({ nodeId: Schema.String, limit: Schema.Int }),
    Result: Schema.Struct({ id: Schema.String, counts: Schema.String, here: Schema.String }),
    execute: ({ limit, nodeId }) =>
      sql`SELECT d.key AS id, a.id AS counts, b.id AS here FROM objects d
          CROSS JOIN objects c ON c.type = 'decision' AND c.key = d.key AND c.current = 1
          CROSS JOIN objects p ON p.type = 'pending' AND p.key = d.key AND p.current = 1
          CROSS JOIN oplog n ON n.origin = d.origin AND n.oseq = d.oseq + 1 AND n.kind = 'store'
          LEFT JOIN oplog m ON m.origin = c.origin AND m.oseq = c.oseq + 1 AND m.kind = 'store'
          CROSS JOIN memories b ON b.id = n.entity AND b.visible < 2
          CROSS JOIN memories a ON a.id = coalesce(json_extract(c.body, '$.memory.id'), m.entity) AND a.visible < 2
        WHERE d.type = 'decision' AND d.current = 0 AND substr(d.origin, 1, length(${nodeId}) + 1) = ${nodeId} || '/'
          AND json_extract(p.body, '$.action_type') = 'store'
          AND json_extract(d.body, '$.approved') = 1 AND json_extract(d.body, '$.memory') IS NULL
          AND json_extract(c.body, '$.approved') = 1
          AND a.id <> b.id AND a.namespace = b.namespace AND a.title = b.title AND a.content = b.content
          AND b.title = json_extract(p.body, '$.payload.title')
          AND b.content = json_extract(p.body, '$.payload.content')
        LIMIT ${limit}`
  })

const makeNewest = (sql: SqlClient.SqlClient) =>
  sql`SELECT max(lsn) AS lsn FROM oplog`.pipe(
    Effect.flatMap(decodeNewest),
    Effect.map(([{ lsn }]) => lsn ?? 0)
  )

const makeNewsAfter = (sql: SqlClient.SqlClient) => {
  const newest = makeNewest(sql)
  const select = makeSelectNews(sql)

  return (after: number) =>
    Effect.gen(function*() {
      const last = yield* newest
      const events: Array<ApprovalEvent> = []
      let upTo = after
      while (upTo < last && events.length < MAX_EVENTS) {
        const from = upTo
        upTo = Math.min(last, from + ROWS_PER_TURN)
        events.push(...(yield* select({ after: from, upTo })).map(eventOf))
        if (upTo < last) yield* eventLoopTurn
      }
      return { events, upTo }
    })
}

const makeSelectNews = (sql: SqlClient.SqlClient) =>
  SqlSchema.findAll({
    Request: Schema.Struct({ after: Schema.Int, upTo: Schema.Int }),
    Result: NewsRow,
    execute: ({ after, upTo }) =>
      sql`SELECT o.kind, o.body, p.body AS action FROM oplog o
        CROSS JOIN objects b
          ON b.type = o.kind AND b.key = o.entity AND b.hlc = o.hlc AND b.origin = o.origin AND b.current = 1
        CROSS JOIN objects p ON p.type = 'pending' AND p.key = o.entity AND p.current = 1
        WHERE o.lsn > ${after} AND o.lsn <= ${upTo} AND o.kind IN ('pending', 'decision') ORDER BY o.lsn`
  })

/** Rows of the log that are looked at before everybody else gets a turn. */
const ROWS_PER_TURN = 5_000
/** Events in one answer: those after them are in the next. */
const MAX_EVENTS = 5_000

const Body = Schema.parseJson(PendingAction.PendingAction)
const DecisionBody = Schema.parseJson(PendingAction.Decision)

export const Row = Schema.Struct({
  key: Schema.String,
  body: Body,
  decision: Schema.NullOr(DecisionBody),
  others: Schema.parseJson(
    Schema.Array(Schema.Struct({ origin: Origin, oseq: Schema.Int, decision: PendingAction.Decision }))
  ),
  votes: Schema.parseJson(Schema.Array(PendingAction.Vote))
})
const decodeRows = Schema.decodeUnknown(Schema.Array(Row))
const decodeKeys = Schema.decodeUnknown(Schema.Array(Schema.Struct({ key: Schema.String, page_rows: Schema.Int })))
const decodeIds = Schema.decodeUnknown(Schema.Array(Schema.Struct({ id: Schema.String })))
const decodeCount = Schema.decodeUnknown(Schema.Tuple(Schema.Struct({ count: Schema.Int })))
const decodeNewest = Schema.decodeUnknown(Schema.Tuple(Schema.Struct({ lsn: Schema.NullOr(Schema.Int) })))

const NewsRow = Schema.Union(
  Schema.Struct({ kind: Schema.Literal("pending"), body: Body, action: Body }),
  Schema.Struct({ kind: Schema.Literal("decision"), body: DecisionBody, action: Body })
)

const eventOf = (row: typeof NewsRow.Type): ApprovalEvent =>
  row.kind === "pending"
    ? { type: "requested", action: row.body }
    : { type: "decided", action: row.action, decision: row.body }

export const fromRow = ({ body, decision, votes }: typeof Row.Type): Governed => ({
  action: body,
  votes: distinct(votes),
  decision
})

/** An action that is older than this has expired, to the millisecond. */
const cutoff = (nowMillis: number): Stamp.Stamp =>
  Stamp.fromMillis(nowMillis - Duration.toMillis(PendingAction.EXPIRES_AFTER), MAX_COUNTER)

/** The last stamp of a millisecond has this counter. */
const MAX_COUNTER = 999_999

/** `statusOf` as a condition. */
const isOf = (sql: SqlClient.SqlClient, status: Status | undefined, nowMillis: number): Statement.Fragment => {
  const requested = sql`json_extract(p.body, '$.requested_at')`
  switch (status) {
    case undefined:
      return sql`1`
    case "pending":
      return sql`d.key IS NULL AND ${requested} > ${cutoff(nowMillis)}`
    case "expired":
      return sql`d.key IS NULL AND ${requested} <= ${cutoff(nowMillis)}`
    case "approved":
      return sql`json_extract(d.body, '$.approved') = 1`
    case "rejected":
      return sql`json_extract(d.body, '$.approved') = 0`
  }
}

const votedOf = (operation: Operation): Trace["voted"] =>
  operation.kind === "vote"
    ? Either.match(PendingAction.decodeVote(JSON.parse(operation.body ?? "null")), {
      onLeft: () => [],
      onRight: ({ agent_id }) => [{ agentId: agent_id, operation }]
    })
    : []

/**
 * Whether the operation that follows a decision is what it came to: a decision that carries no memory was executed by an
 * operation of its own, in the same transaction and so with the next number. `chain` has the id of the memory, and those that it left it to.
 */
const isExecution = ({ action, decision }: Governed, next: Operation, chain: ReadonlyArray<string>): boolean => {
  if (decision === null || !decision.approved || decision.memory !== undefined) return false
  if (action.action_type !== "store") {
    // What an older version did by an approved deletion was to delete.
    const kinds: ReadonlyArray<string> = action.action_type === "delete" ? ["archive", "delete"] : ["store"]
    return kinds.includes(next.kind) && chain.includes(next.entity)
  }
  const slot = decodeSlot(action.payload)
  const stored = decodeSlot(JSON.parse(next.body ?? "null"))
  return next.kind === "store" && Either.isRight(slot) && Either.isRight(stored) &&
    slot.right.namespace === stored.right.namespace && slot.right.title === stored.right.title
}

const decodeSlot = Schema.decodeUnknownEither(Schema.Struct({ namespace: Schema.String, title: Schema.String }))

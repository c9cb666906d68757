import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import {
  discardDeadLetter,
  getDeadLetter,
  listDeadLetters,
  retryDeadLetter
} from "../../operations/federation/deadLetters.js"
import type * as contract from "../contract/deadLetters.js"
import * as Reply from "../server/Reply.js"
import type * as Call from "./Call.js"

export const list = (page: typeof contract.DeadLettersQuery.Type) =>
  Effect.map(listDeadLetters(page), (found) => ({ dead_letters: found.map(summaryOf), count: found.length }))

export const get = (id: string) =>
  Effect.map(getDeadLetter(id), ({ operation, ...summary }) => ({
    ...summaryOf(summary),
    operation: {
      op_id: operation.opId,
      origin: operation.origin,
      oseq: operation.oseq,
      hlc: operation.hlc,
      kind: operation.kind,
      entity: operation.entity,
      body: operation.body === null ? null : decodeBody(operation.body),
      base_hlc: operation.baseHlc,
      covers: operation.covers,
      hash: operation.hash
    }
  }))

export const retry = ({ id }: Call.Call) =>
  Effect.map(retryDeadLetter(id), (result) => Reply.json(200, { retried: true, id: Number(id), result }))

export const discard = ({ id }: Call.Call) =>
  Effect.as(discardDeadLetter(id), Reply.json(200, { discarded: true, id: Number(id) }))

/** A body is JSON text for as long as it is in the log. */
const decodeBody = Schema.decodeUnknownSync(Schema.parseJson())

const summaryOf = (letter: Effect.Effect.Success<ReturnType<typeof listDeadLetters>>[number]) => ({
  id: letter.id,
  peer_id: letter.peerId,
  op_id: letter.opId,
  kind: letter.kind,
  entity: letter.entity,
  origin: letter.origin,
  oseq: letter.oseq,
  reason: letter.reason,
  attempts: letter.attempts,
  failed_at: letter.failedAt,
  next_attempt_at: letter.nextAttemptAt,
  discarded: letter.discarded
})

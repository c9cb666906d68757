import * as Effect from "effect/Effect"
import {
  discardDeadLetter,
  getDeadLetter,
  listDeadLetters,
  retryDeadLetter
} from "../../operations/federation/deadLetters.js"
import { answer } from "../calls/answer.js"
import type * as Call from "../calls/Call.js"
import * as contract from "../contract/deadLetters.js"

export const list = ({ urlParams }: Call.Call<typeof contract.deadLetters>) =>
  Effect.map(
    listDeadLetters(urlParams),
    (found) => answer(contract.deadLetters, { dead_letters: found.map(summaryOf), count: found.length })
  )

export const get = ({ path }: Call.Call<typeof contract.deadLetter>) =>
  Effect.map(getDeadLetter(path.id), ({ body, operation, ...summary }) =>
    answer(contract.deadLetter, {
      ...summaryOf(summary),
      operation: {
        op_id: operation.opId,
        origin: operation.origin,
        oseq: operation.oseq,
        hlc: operation.hlc,
        kind: operation.kind,
        entity: operation.entity,
        body,
        base_hlc: operation.baseHlc,
        covers: operation.covers,
        hash: operation.hash
      }
    }))

export const retry = ({ path: { id } }: Call.Call<typeof contract.retryDeadLetter>) =>
  Effect.map(
    retryDeadLetter(id),
    (result) => answer(contract.retryDeadLetter, { retried: true, id: Number(id), result })
  )

export const discard = ({ path: { id } }: Call.Call<typeof contract.discardDeadLetter>) =>
  Effect.as(discardDeadLetter(id), answer(contract.discardDeadLetter, { discarded: true, id: Number(id) }))

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

import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as Effect from "effect/Effect"
import type * as Quarantine from "../../domain/Quarantine.js"
import { type Listed, provenance as listProvenance } from "../../operations/undo/provenance.js"
import { quarantine as setAside, release as end, standing } from "../../operations/undo/quarantine.js"
import { revert as putBack } from "../../operations/undo/revert.js"
import { answer } from "../calls/answer.js"
import * as Call from "../calls/Call.js"
import * as Caller from "../calls/Caller.js"
import * as Claims from "../calls/claims.js"
import { Api } from "../contract/Api.js"
import * as contract from "../contract/undo.js"

export const layer = HttpApiBuilder.group(Api, "undo", (handlers) =>
  handlers
    .handleRaw(...Call.read(contract.provenance, provenance))
    .handleRaw(...Call.read(contract.quarantines, quarantines))
    .handleRaw(...Call.write(contract.quarantine, quarantine))
    .handleRaw(...Call.write(contract.release, release))
    .handleRaw(...Call.write(contract.revert, revert)))

const provenance = ({ incoming, urlParams }: Call.Call<typeof contract.provenance>) =>
  Effect.gen(function*() {
    yield* Claims.ofAll(incoming.headers)
    const { cursor, operations } = yield* listProvenance(urlParams)
    return answer(contract.provenance, { operations: operations.map(shown), count: operations.length, cursor })
  })

const shown = ({ agent, namespace, operation, quarantinedBy, stands, title, void: isVoid }: Listed) => ({
  op_id: operation.opId,
  origin: operation.origin,
  oseq: operation.oseq,
  hlc: operation.hlc,
  kind: operation.kind,
  entity: operation.entity,
  agent,
  namespace,
  title,
  stands,
  void: isVoid?.why ?? null,
  quarantined_by: quarantinedBy
})

const quarantines = ({ incoming }: Call.Call<typeof contract.quarantines>) =>
  Effect.gen(function*() {
    yield* Claims.ofAll(incoming.headers)
    const all = yield* standing
    return answer(contract.quarantines, {
      quarantines: all.map(({ operations, quarantine }) => ({ ...quarantineShown(quarantine), operations })),
      count: all.length
    })
  })

const quarantineShown = ({ at, by, id, reason, ...selector }: Quarantine.Quarantine) => {
  const { agent, origin, peer, since, until } = selector
  return {
    id,
    origin: origin ?? null,
    peer: peer ?? null,
    agent: agent ?? null,
    since: since ?? null,
    until: until ?? null,
    reason,
    by,
    at
  }
}

const requestOf = Call.bodyOf(contract.quarantine)

const quarantine = ({ headers, incoming }: Call.Call<typeof contract.quarantine>) =>
  Effect.gen(function*() {
    yield* Claims.ofAll(incoming.headers)
    const caller = yield* Caller.fromHeaders(headers)
    const { quarantine: set, ...acknowledged } = yield* setAside(yield* requestOf(incoming), caller)
    return answer(
      contract.quarantine,
      { ...quarantineShown(set), ...Call.acksOf(acknowledged) },
      { "x-op-id": acknowledged.opId }
    )
  })

const release = ({ headers, incoming, path }: Call.Call<typeof contract.release>) =>
  Effect.gen(function*() {
    yield* Claims.ofAll(incoming.headers)
    const caller = yield* Caller.fromHeaders(headers)
    const { id, ...acknowledged } = yield* end(path.id, caller)
    return answer(
      contract.release,
      { released: true, id, ...Call.acksOf(acknowledged) },
      { "x-op-id": acknowledged.opId }
    )
  })

const revert = ({ headers, incoming, path }: Call.Call<typeof contract.revert>) =>
  Effect.gen(function*() {
    yield* Claims.ofAll(incoming.headers)
    const caller = yield* Caller.fromHeaders(headers)
    const { ackedBy, acks, durability, opId, ...done } = yield* putBack(path.id, caller)
    return answer(
      contract.revert,
      { reverted: true, ...done, ...Call.acksOf({ ackedBy, acks, durability, opId }) },
      { "x-op-id": opId }
    )
  })

import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as CreateLink from "../../domain/CreateLink.js"
import type * as Link from "../../domain/Link.js"
import { Invalid } from "../../domain/validate.js"
import { broadcastLink } from "../../federation/broadcasts.js"
import type { Federation } from "../../federation/Federation.js"
import { linkId } from "../../replication/kinds.js"
import type { Operation } from "../../replication/Operation.js"
import * as Payload from "../../replication/Payload.js"
import * as links from "../../store/deciding/links.js"
import { type Decision, MemoryStore, type Transaction } from "../../store/MemoryStore.js"
import { LinkReader } from "../../store/read/LinkReader.js"
import { hotSpan } from "../../telemetry/hotSpan.js"
import { type ReadFailed, SourceNotFound } from "../errors.js"
import { idempotencyOf } from "../writing/caller.js"
import { counted } from "../writing/counted.js"
import type { Acknowledged, Caller, WriteError } from "../writing/Written.js"
import { linkKeys } from "./linkKeys.js"

/** A link that met its quorum. */
export interface Linked extends Acknowledged {
  readonly link: Link.Link
}

/**
 * Links one memory to another, here and on as many peers as the quorum asks for. A link that is there already stays as it
 * is: its own operation is sent again and its quorum waited for, so that the answer means the same as for a new one.
 */
export const link = (
  request: CreateLink.CreateLink,
  caller: Caller
): Effect.Effect<Linked, Invalid | SourceNotFound | WriteError | ReadFailed, MemoryStore | LinkReader | Federation> =>
  commit(request, caller).pipe(
    Effect.flatMap(({ link, operation }) => Effect.map(broadcastLink(operation), (acked) => ({ ...acked, link }))),
    counted("created"),
    hotSpan("link")
  )

/** The operation that made the link, new or not. */
const commit = (
  request: CreateLink.CreateLink,
  caller: Caller
): Effect.Effect<Made, Refused, MemoryStore | LinkReader> =>
  Effect.gen(function*() {
    const store = yield* MemoryStore
    const draft = yield* CreateLink.validate(request)
    const keys = yield* linkKeys(draft, [draft.relation])
    const made = yield* store.commit(
      (now) => decide(now, draft, keys),
      idempotencyOf(caller, ["link", request])
    ).pipe(
      Effect.flatMap(({ operation }) => Effect.asSome(madeBy(operation))),
      Effect.catchTag("LinkExists", existing)
    )
    // None when it was removed in this very moment: then there is room for a new one.
    return Option.isSome(made) ? made.value : yield* commit(request, caller)
  })

type Refused = Invalid | SourceNotFound | ReadFailed | Exclude<WriteError, { readonly _tag: "QuorumNotMet" }>

/** A link as it is shown, and the operation that made it. */
interface Made {
  readonly operation: Operation
  readonly link: Link.Link
}

/** The triple is there already, as this link. */
interface LinkExists {
  readonly _tag: "LinkExists"
  readonly key: string
  /** Under the ids that these have now. */
  readonly ends: Pick<Link.Link, "source_id" | "target_id">
}

const decide = (
  now: Transaction,
  draft: CreateLink.Validated,
  keys: ReadonlyArray<string>
): Either.Either<Decision, Invalid | SourceNotFound | LinkExists> => {
  const source = links.resolve(now, draft.source_id)
  const target = links.resolve(now, draft.target_id)
  if (source === null) return Either.left(new SourceNotFound({ field: "source_id" }))
  if (target === null) return Either.left(new SourceNotFound({ field: "target_id" }))
  const ends = { sourceId: source.memory.id, targetId: target.memory.id }
  if (ends.sourceId === ends.targetId) return Either.left(toItself)
  const link = CreateLink.build(draft, { ...ends, stamp: now.stamp })
  const [existing] = links.find(now, [linkId(link), ...keys])
  return existing === undefined
    ? Either.right({ payload: { kind: "link", link }, baseHlc: null, covers: [] })
    : Either.left({
      _tag: "LinkExists",
      key: existing.key,
      ends: { source_id: ends.sourceId, target_id: ends.targetId }
    })
}

const toItself = new Invalid({ field: "target_id", message: "target_id must not be the source_id: no link to itself" })

const existing = ({ ends, key }: LinkExists) =>
  Effect.gen(function*() {
    const reader = yield* LinkReader
    const store = yield* MemoryStore
    const place = yield* reader.placeOf(key)
    if (Option.isNone(place)) return Option.none<Made>()
    const { origin, oseq } = place.value
    const [operation] = yield* store.operations({ origin, from: oseq, to: oseq }, 1)
    if (operation === undefined) return Option.none<Made>()
    const { link } = yield* madeBy(operation)
    return Option.some<Made>({ operation, link: { ...link, ...ends } })
  })

const madeBy = (operation: Operation): Effect.Effect<Made> => {
  const payload = Payload.ofLog(operation)
  return payload.kind === "link"
    ? Effect.succeed({ operation, link: payload.link })
    : Effect.dieMessage(`operation ${operation.opId} made no link`)
}

import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as CreateLink from "../../domain/CreateLink.js"
import type * as Link from "../../domain/Link.js"
import { Invalid } from "../../domain/validate.js"
import { linkId } from "../../replication/kinds.js"
import * as Payload from "../../replication/Payload.js"
import * as links from "../../store/deciding/links.js"
import { liveId } from "../../store/deciding/liveId.js"
import { type Batch, type Batched, type Entry, MemoryStore } from "../../store/MemoryStore.js"
import { LinkReader } from "../../store/read/LinkReader.js"
import { type ReadFailed, SourceNotFound } from "../errors.js"
import * as Write from "../writing/Write.js"
import { linkKeys } from "./linkKeys.js"

/** A link that met its quorum. */
export interface Linked extends Write.Acknowledged {
  readonly link: Link.Link
}

/**
 * Links one memory to another, here and on as many peers as the quorum asks for. A link that is there already stays as it
 * is: its own operation is sent again and its quorum waited for, so that the answer means the same as for a new one.
 */
export const link = (
  request: CreateLink.CreateLink,
  caller = Write.anonymous
): Write.Verb<Linked, Invalid | SourceNotFound | ReadFailed, LinkReader> =>
  Write.together({
    name: "link",
    counts: "created",
    caller,
    request: [request],
    governed: "ungoverned",
    prepare: () =>
      Effect.gen(function*() {
        const draft = yield* CreateLink.validate(request)
        return { draft, keys: yield* linkKeys(draft, [draft.relation]) }
      }),
    decide: (batch, { draft, keys }) => decide(batch, draft, keys),
    settle: (done) =>
      Effect.gen(function*() {
        const { ends, entry } = yield* madeBy(done)
        const acknowledged = yield* Write.acknowledge([entry])
        return { ...acknowledged, link: { ...linkOf(entry), ...ends } }
      })
  }).pipe(
    // It was removed in this very moment: then there is room for a new one.
    Effect.catchTag("LinkGone", () => link(request, caller))
  )

/** The triple is there already, as this link. */
interface Existing {
  readonly key: string
  /** Under the ids that these have now. */
  readonly ends: Pick<Link.Link, "source_id" | "target_id">
}

interface LinkGone {
  readonly _tag: "LinkGone"
}

/** Writes the link, unless it is there: then says which it is. */
const decide = (
  batch: Batch,
  draft: CreateLink.Validated,
  keys: ReadonlyArray<string>
): Either.Either<Existing | null, Invalid | SourceNotFound> => {
  const now = batch.now()
  const source = liveId(now, draft.source_id)
  const target = liveId(now, draft.target_id)
  if (source === null) return Either.left(new SourceNotFound({ field: "source_id" }))
  if (target === null) return Either.left(new SourceNotFound({ field: "target_id" }))
  const ends = { sourceId: source.memory.id, targetId: target.memory.id }
  if (ends.sourceId === ends.targetId) return Either.left(toItself)
  const link = CreateLink.build(draft, { ...ends, stamp: now.stamp })
  const [existing] = links.find(now, [linkId(link), ...keys])
  if (existing !== undefined) {
    return Either.right({ key: existing.key, ends: { source_id: ends.sourceId, target_id: ends.targetId } })
  }
  batch.write({ payload: { kind: "link", link }, baseHlc: null, covers: [] })
  return Either.right(null)
}

const toItself = new Invalid({ field: "target_id", message: "target_id must not be the source_id: no link to itself" })

/** A link as it was made, and what its ends are called now, if that is not the same. */
interface Made {
  readonly entry: Entry
  readonly ends: Existing["ends"] | null
}

/** The operation that made the link: the one that was written, or that of the link that is there. */
const madeBy = (
  { answer, written: [entry] }: Batched<Existing | null>
): Effect.Effect<Made, ReadFailed | LinkGone, LinkReader | MemoryStore> =>
  Effect.gen(function*() {
    if (entry !== undefined) return { entry, ends: null }
    const existing = Option.getOrNull(answer)
    const operation = existing === null ? undefined : yield* operationOf(existing.key)
    return existing === null || operation === undefined
      ? yield* Effect.fail<LinkGone>({ _tag: "LinkGone" })
      : { entry: { operation, payload: Payload.ofLog(operation) }, ends: existing.ends }
  })

const operationOf = (key: string) =>
  Effect.gen(function*() {
    const reader = yield* LinkReader
    const store = yield* MemoryStore
    const place = yield* reader.placeOf(key)
    if (Option.isNone(place)) return undefined
    const { origin, oseq } = place.value
    const [operation] = yield* store.operations({ origin, from: oseq, to: oseq }, 1)
    return operation
  })

const linkOf = ({ operation, payload }: Entry): Link.Link => {
  if (payload.kind !== "link") throw new Error(`operation ${operation.opId} made no link`)
  return payload.link
}

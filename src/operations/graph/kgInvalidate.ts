import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Option from "effect/Option"
import * as Link from "../../domain/Link.js"
import * as Stamp from "../../domain/Stamp.js"
import * as validate from "../../domain/validate.js"
import type { Federation } from "../../federation/Federation.js"
import * as links from "../../store/deciding/links.js"
import { type Batch, MemoryStore } from "../../store/MemoryStore.js"
import type { LinkReader } from "../../store/read/LinkReader.js"
import { hotSpan } from "../../telemetry/hotSpan.js"
import { LinkNotFound, type ReadFailed } from "../errors.js"
import { acknowledge } from "../writing/acknowledge.js"
import { idempotencyOf } from "../writing/caller.js"
import { counted } from "../writing/counted.js"
import type { Acknowledged, Caller, WriteError } from "../writing/Written.js"
import { linkKeys } from "./linkKeys.js"

export interface KgInvalidate {
  readonly source_id: string
  readonly target_id: string
  readonly relation: string
  /** RFC 3339; now, unless given. */
  readonly valid_until?: string | undefined
}

/** A link that holds no longer, once that has met its quorum. */
export interface Invalidated extends Acknowledged {
  readonly link: Ended
  /** Until when it held before, or null; none when the answer repeats an earlier one. */
  readonly previously: Option.Option<string | null>
}

interface Ended extends Link.Link {
  readonly valid_until: string
}

/** Says until when a link held. It stays, and is found by who asks for an earlier moment. */
export const kgInvalidate = (
  request: KgInvalidate,
  caller: Caller
): Effect.Effect<
  Invalidated,
  validate.Invalid | LinkNotFound | WriteError | ReadFailed,
  MemoryStore | LinkReader | Federation
> =>
  Effect.gen(function*() {
    const store = yield* MemoryStore
    yield* Link.checkEnds(request)
    const relation = yield* Link.relation(request.relation)
    const until = request.valid_until === undefined ? null : yield* validate.stamp("valid_until", request.valid_until)
    const keys = yield* linkKeys(request, [relation])
    const { answer, written } = yield* store.commitAll(
      (batch) => write(batch, keys, until),
      idempotencyOf(caller, ["kgInvalidate", request])
    )
    const acknowledged = yield* acknowledge(written)
    const [changed] = written.flatMap(({ payload }) => payload.kind === "link" ? ended(payload.link) : [])
    if (changed === undefined) return yield* Effect.dieMessage("an invalidation wrote no link")
    return { ...acknowledged, link: changed, previously: answer }
  }).pipe(counted("updated"), hotSpan("kgInvalidate"))

const ended = (link: Link.Link): ReadonlyArray<Ended> =>
  link.valid_until === undefined ? [] : [{ ...link, valid_until: link.valid_until }]

/** A link that is there under several ids gets its end under each of them. */
const write = (
  batch: Batch,
  keys: ReadonlyArray<string>,
  given: Stamp.Stamp | null
): Either.Either<string | null, LinkNotFound> => {
  const now = batch.now()
  const until = given ?? Stamp.fromMillis(now.wallMillis)
  const found = links.find(now, keys).toSorted((a, b) => a.current.hlc < b.current.hlc ? 1 : -1)
  const [latest] = found
  if (latest === undefined) return Either.left(new LinkNotFound())
  for (const { current, link, versions } of found) {
    batch.write({
      payload: { kind: "link", link: { ...link, valid_until: until } },
      baseHlc: current.hlc,
      covers: versions
    })
  }
  return Either.right(latest.link.valid_until ?? null)
}

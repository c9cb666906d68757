import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Option from "effect/Option"
import * as Link from "../../domain/Link.js"
import * as Stamp from "../../domain/Stamp.js"
import * as validate from "../../domain/validate.js"
import * as links from "../../store/deciding/links.js"
import type { Batch, Entry } from "../../store/MemoryStore.js"
import type { LinkReader } from "../../store/read/LinkReader.js"
import { LinkNotFound, type ReadFailed } from "../errors.js"
import * as Write from "../writing/Write.js"
import { linkKeys } from "./linkKeys.js"

export interface KgInvalidate {
  readonly source_id: string
  readonly target_id: string
  readonly relation: string
  /** RFC 3339; now, unless given. */
  readonly valid_until?: string | undefined
}

/** A link that holds no longer, once that has met its quorum. */
export interface Invalidated extends Write.Acknowledged {
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
  caller = Write.anonymous
): Write.Verb<Invalidated, validate.Invalid | LinkNotFound | ReadFailed, LinkReader> =>
  Write.together({
    name: "kgInvalidate",
    counts: "updated",
    caller,
    request: [request],
    governed: "ungoverned",
    prepare: () =>
      Effect.gen(function*() {
        const { valid_until } = request
        yield* Link.checkEnds(request)
        const relation = yield* Link.relation(request.relation)
        const until = valid_until === undefined ? null : yield* validate.stamp("valid_until", valid_until)
        return { until, keys: yield* linkKeys(request, [relation]) }
      }),
    decide: (batch, { keys, until }) => write(batch, keys, until),
    settle: ({ answer, written }) =>
      Effect.map(Write.acknowledge(written), (acknowledged) => ({
        ...acknowledged,
        link: linkOf(written),
        previously: answer
      }))
  })

const linkOf = (written: ReadonlyArray<Entry>): Ended => {
  const [changed] = written.flatMap(({ payload }) => payload.kind === "link" ? ended(payload.link) : [])
  if (changed === undefined) throw new Error("an invalidation wrote no link")
  return changed
}

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

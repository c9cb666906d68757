import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { NodeId, OpId, Origin } from "../../src/domain/ids.js"
import * as Stamp from "../../src/domain/Stamp.js"
import { atOnce, type Steps } from "../../src/store/log/Steps.js"
import * as following from "../../src/store/site/following.js"
import type { Head, Placed, Reading, SiteLog } from "../../src/store/site/SiteLog.js"

const OWN = Origin.make("site/1")
const OTHER = Origin.make("site/2")

/** Something that a daemon brought, of whose content nothing is held. */
const placed = (writer: Origin, place: number): Placed => ({
  place,
  item: {
    stub: {
      origin: writer,
      oseq: place,
      opId: OpId.make(`${writer}-${place}`),
      hash: "",
      hlc: Stamp.fromMillis(0),
      detail: "",
      ends: { kind: "store", entity: "", covers: [] }
    }
  }
})

/** A server that has so many entries of each daemon. */
const server = (heads: Map<Origin, number>): Reading => ({
  heads: Effect.sync(() => Array.from(heads, ([writer, place]) => ({ writer, place }))),
  news: (held) =>
    Effect.sync(() =>
      new Map(held.flatMap(({ place, writer }) => {
        const last = heads.get(writer) ?? 0
        const rest = Array.from({ length: Math.max(last - place, 0) }, (_, at) => placed(writer, place + at + 1))
        return rest.length === 0 ? [] : [[writer, rest] as const]
      }))
    )
})

/** A daemon that follows a primary, and reads what a standby has. */
const daemon = (primary: Map<Origin, number>, standby: Map<Origin, number> | null) => {
  const held = new Map<Origin, number>()
  const followed: Array<string> = []
  const site: SiteLog["Type"] = {
    siteId: "s",
    nodeId: NodeId.make("n"),
    append: () => Effect.void,
    ...server(primary),
    standby: standby === null ? null : server(standby),
    after: () => Effect.succeed([]),
    lease: (holder) => Effect.succeed({ holder, fence: 1 }),
    release: () => Effect.void,
    durability: () => ({ engine: "postgresql", synchronous: null })
  }
  const reach = ({ place, writer }: Head) => void held.set(writer, place)
  const run = <A>(job: () => Either.Either<A>) => Effect.sync(() => Either.getOrThrow(job()))
  return Effect.map(
    following.make({
      site,
      places: { state: () => held, restore: () => {}, reach },
      held: () => held,
      own: () => OWN,
      *follow(items): Steps<void> {
        for (const item of items) followed.push("stub" in item ? item.stub.opId : "")
      },
      submit: run,
      submitSteps: (job) => run(() => atOnce(job()))
    }),
    ({ fresh, lately }) => ({ fresh, lately, held, followed })
  )
}

describe("what a daemon of a site hears", () => {
  it.scoped("is all that there is, each entry once", () =>
    Effect.gen(function*() {
      const primary = new Map([[OTHER, 3]])
      const { followed, fresh, held } = yield* daemon(primary, null)
      yield* Effect.all([fresh, fresh, fresh], { concurrency: "unbounded" })
      primary.set(OTHER, 5)
      yield* fresh
      assert.deepStrictEqual(followed, [1, 2, 3, 4, 5].map((place) => `${OTHER}-${place}`))
      assert.strictEqual(held.get(OTHER), 5)
    }))

  it.scoped("may be from a standby that shows more than its primary, which nobody has to have confirmed", () =>
    Effect.gen(function*() {
      const primary = new Map([[OTHER, 3]])
      const standby = new Map([[OTHER, 5]])
      const { followed, fresh, held, lately } = yield* daemon(primary, standby)
      yield* lately
      assert.strictEqual(held.get(OTHER), 5)
      yield* fresh
      primary.set(OTHER, 6)
      yield* fresh
      assert.deepStrictEqual(followed, [1, 2, 3, 4, 5, 6].map((place) => `${OTHER}-${place}`))
    }))

  it.scoped("is said to be lost where the store has shown more of it before", () =>
    Effect.gen(function*() {
      for (const standby of [null, new Map([[OTHER, 5]])]) {
        const primary = new Map([[OTHER, 5]])
        const { fresh } = yield* daemon(primary, standby)
        yield* fresh
        primary.set(OTHER, 4)
        assert.include((yield* Effect.flip(fresh)).message, "an older state of it was put in its place")
      }
    }))

  it.scoped("is said to be lost where it lacks what this daemon has brought itself", () =>
    Effect.gen(function*() {
      const primary = new Map([[OWN, 2]])
      const { fresh, held } = yield* daemon(primary, new Map())
      held.set(OWN, 3)
      assert.include((yield* Effect.flip(fresh)).message, "an older state of it was put in its place")
    }))
})

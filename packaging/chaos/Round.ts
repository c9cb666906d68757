import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as fs from "node:fs"
import * as path from "node:path"
import type * as VersionVector from "../../src/replication/VersionVector.js"
import * as checker from "../../test/simulation/checker.js"
import type { Dump } from "../../test/simulation/dump.js"
import type { Prng } from "../../test/simulation/prng.js"
import * as Chronicle from "./Chronicle.js"
import * as clients from "./clients.js"
import type { Broken, Daemon } from "./Daemon.js"
import { faults, ROBBING } from "./faults.js"
import type { Means } from "./means.js"
import * as Mesh from "./Mesh.js"
import * as Scene from "./Scene.js"

/** What one round is to do; all of it follows from the seed. */
export interface Plan {
  readonly number: number
  readonly size: number
  readonly quorumWrites: number
  readonly isSecured: boolean
  readonly seconds: number
  readonly faults: ReadonlyArray<Chronicle.Fault>
  readonly chance: Prng
}

export interface Surroundings {
  readonly folder: string
  readonly main: string
  readonly upgradeTo: string | undefined
  readonly means: Means
}

export interface Result {
  readonly plan: Plan
  readonly tally: Scene.Tally
  readonly chronicle: Chronicle.Chronicle
  readonly history: string
  readonly healedAt: number
  /** Until all nodes held the same after the faults; null when they never did. */
  readonly convergedAfterMillis: number | null
  readonly operations: number
  readonly lost: number
  readonly swallowed: number
  readonly violations: ReadonlyArray<checker.Violation>
}

/** What a busy machine may add to a deadline. */
const SLACK_MILLIS = 3_000
const REST_WITHIN_MILLIS = 120_000
/** More than the longest interval of what nodes do by themselves. */
const OWN_WORK_MILLIS = 2_500

/** One mesh from its start to its verdict. */
export const run = (plan: Plan, { folder, main, means, upgradeTo }: Surroundings): Effect.Effect<Result, Broken> =>
  Effect.scoped(Effect.gen(function*() {
    const at = path.join(folder, `round-${plan.number}`)
    fs.mkdirSync(at, { recursive: true })
    const history = path.join(folder, `round-${plan.number}.jsonl`)
    const chronicle = Chronicle.make(history)
    yield* Effect.addFinalizer(() => Effect.sync(chronicle.close))
    let told = (_node: string, _how: string): void => {}
    const mesh = yield* Mesh.make({
      ...plan,
      folder: at,
      main,
      means,
      ended: (node, how) => told(node, how)
    })
    const scene = Scene.make(
      mesh,
      chronicle,
      !plan.faults.some((fault) => ROBBING.has(fault) && fault !== "old-backup")
    )
    told = (node, what) => {
      if (!scene.excused.has(node)) {
        chronicle.note({ type: "broken", at: chronicle.now(), node, what: `ended by itself: ${what}` })
      }
    }
    yield* Mesh.begin(mesh)
    yield* Effect.forEach(mesh.nodes, (node) => Effect.forkScoped(Effect.forever(probe(scene, node))), {
      discard: true
    })
    const sampling = Effect.zipRight(Effect.sleep(SAMPLE_EVERY), Effect.sync(() => sample(scene)))
    const sampler = yield* Effect.forkScoped(Effect.forever(sampling))
    yield* disturb(scene, plan, upgradeTo)
    const healedAt = chronicle.now()
    const convergedAfterMillis = yield* rest(scene, plan.chance, healedAt)
    yield* Fiber.interrupt(sampler)
    const final = yield* end(scene)
    const { links } = mesh.network
    return {
      plan,
      tally: scene.tally,
      chronicle,
      history,
      healedAt,
      convergedAfterMillis,
      operations: final[0]?.log.length ?? 0,
      lost: links.reduce((sum, link) => sum + link.lost(), 0),
      swallowed: links.reduce((sum, link) => sum + link.swallowed(), 0),
      violations: verdict(scene, plan, final)
    }
  })).pipe(
    Effect.tap(() => Effect.sync(() => fs.rmSync(path.join(folder, `round-${plan.number}`), { recursive: true })))
  )

const LOOK_EVERY = "4 seconds"
const SAMPLE_EVERY = "500 millis"

/** Clients write while the faults of the plan come and go; ends when both are over. */
const disturb = (scene: Scene.Scene, plan: Plan, upgradeTo: string | undefined): Effect.Effect<void, Broken> =>
  Effect.gen(function*() {
    const { chronicle, mesh } = scene
    const look = Effect.sync(() =>
      chronicle.note({ type: "observed", at: chronicle.now(), facts: mesh.disks.facts(), beliefs: [] })
    )
    const looking = yield* Effect.fork(Effect.forever(Effect.zipRight(Effect.sleep(LOOK_EVERY), look)))
    const writing = yield* Effect.forEach(
      clients.all(scene, plan.chance.fork("clients")),
      (client) => Effect.fork(client)
    )
    const every = plan.seconds * 1_000 / plan.faults.length
    yield* Effect.forEach(plan.faults, (fault, index) => {
      const chance = plan.chance.fork(`${fault} ${index}`)
      const strike = { scene, chance, lastsMillis: chance.between(400, 3_000), upgradeTo }
      const wait = 500 + (index + chance.next() * 0.5) * every
      return Effect.zipRight(Effect.sleep(wait), faults[fault](strike))
    }, { concurrency: "unbounded", discard: true })
    mesh.network.heal()
    for (const { name } of mesh.nodes) mesh.setClock(name, 0)
    chronicle.note({ type: "healed", at: chronicle.now() })
    scene.isOn = false
    yield* Fiber.interrupt(looking)
    yield* Effect.forEach(writing, Fiber.join, { discard: true })
  })

const PROBE_EVERY = "300 millis"
const STANDS_AFTER_MILLIS = 250

/** A node that does not even say that it lives stands still, or is down: for what it answers late then it has an excuse. */
const probe = ({ chronicle, mesh: { http } }: Scene.Scene, { name, url }: Daemon): Effect.Effect<void> =>
  Effect.suspend(() => {
    const from = chronicle.now()
    return Effect.ignore(http.ask(url, { method: "GET", path: "/health/live" })).pipe(
      Effect.tap(() => {
        const at = chronicle.now()
        if (at - from > STANDS_AFTER_MILLIS) chronicle.note({ type: "frozen", at, node: name, from, to: at })
      }),
      Effect.zipRight(Effect.sleep(PROBE_EVERY))
    )
  })

/** How far each node is behind what is on any of them. */
const sample = ({ chronicle, mesh: { disks, nodes } }: Scene.Scene): void => {
  const vectors = nodes.flatMap(({ name }) => {
    const held = disks.progress(name)
    return held === undefined ? [] : [{ name, counts: countsOf(held.vector) }]
  })
  const most = new Map<string, number>()
  for (const { counts } of vectors) {
    for (const [origin, count] of counts) most.set(origin, Math.max(most.get(origin) ?? 0, count))
  }
  for (const { counts, name } of vectors) {
    chronicle.sample(name, [...most].reduce((sum, [origin, count]) => sum + count - (counts.get(origin) ?? 0), 0))
  }
}

const countsOf = (vector: VersionVector.VersionVector): ReadonlyMap<string, number> =>
  new Map(Array.from(vector, ([origin, { beyond, upto }]) => [
    origin,
    beyond.reduce((sum, [from, to]) => sum + to - from + 1, upto)
  ]))

class Restless extends Data.TaggedError("Restless")<{ readonly detail: string }> {}

/** Waits until everybody has what everybody has; every node takes a write, and that gets around, too. */
const rest = (scene: Scene.Scene, chance: Prng, healedAt: number): Effect.Effect<number | null> =>
  Effect.gen(function*() {
    const { chronicle, mesh: { nodes } } = scene
    yield* settled(scene)
    const convergedAfter = chronicle.now() - healedAt
    yield* Effect.sleep(OWN_WORK_MILLIS)
    yield* Effect.forEach(nodes, (node) => {
      const title = `the last word of ${node.name}`
      const body = { title, content: title, namespace: "last", source: "chaos" }
      return Effect.filterOrFail(
        Scene.insist(scene, chance, () => node, {
          client: "last",
          operation: "last",
          request: { method: "POST", path: "/api/v1/memories", body },
          key: title,
          token: null
        }),
        ({ certainty }) => certainty === "ok",
        () => new Restless({ detail: `${node.name} takes no write` })
      )
    }, { discard: true })
    yield* settled(scene)
    chronicle.note({ type: "observed", at: chronicle.now(), facts: scene.mesh.disks.facts(), beliefs: [] })
    return convergedAfter
  }).pipe(
    Effect.catchTag("Restless", ({ detail }) =>
      Effect.sync(() => {
        scene.chronicle.note({ type: "restless", at: scene.chronicle.now(), detail })
        return null
      }))
  )

const settled = (scene: Scene.Scene): Effect.Effect<void, Restless> =>
  Effect.suspend(() => {
    const { chronicle, mesh: { disks } } = scene
    const until = chronicle.now() + REST_WITHIN_MILLIS
    const wait: Effect.Effect<void, Restless> = Effect.suspend(() => {
      if (disks.areEqual()) return Effect.void
      if (chronicle.now() < until) return Effect.zipRight(Effect.sleep(50), wait)
      sample(scene)
      const lags = chronicle.samples.slice(-scene.mesh.nodes.length).map(({ lag, node }) => `${node} lacks ${lag}`)
      return Effect.fail(new Restless({ detail: lags.join(", ") }))
    })
    return wait
  })

/** Kills all at once: what is on the disks then is the end. */
const end = ({ mesh: { disks, nodes } }: Scene.Scene): Effect.Effect<ReadonlyArray<Dump>> =>
  Effect.forEach(nodes, (node) => node.end("SIGKILL"), { concurrency: "unbounded" }).pipe(
    Effect.map(() => nodes.map(({ name }) => disks.dump(name)))
  )

const verdict = (scene: Scene.Scene, plan: Plan, final: ReadonlyArray<Dump>): ReadonlyArray<checker.Violation> => [
  ...checker.check({
    history: scene.chronicle.history,
    final,
    quorumOf: () => plan.quorumWrites,
    ackMillis: Mesh.ACK_MILLIS,
    slackMillis: SLACK_MILLIS,
    // Nobody listens to what nodes tell each other.
    countsInTime: false,
    keepsDisks: scene.robbed.size === 0,
    poison: "\u0000"
  }),
  ...scene.wrong.map((what) => ({ rule: "clients", what })),
  ...own(scene, final).map((what) => ({ rule: "clients", what })),
  ...logged(scene).map((what) => ({ rule: "logs", what }))
]

/** What a client alone wrote is everywhere as it left it. What its node lost with a disk others may have changed meanwhile. */
const own = ({ owned, robbed }: Scene.Scene, final: ReadonlyArray<Dump>): ReadonlyArray<string> => {
  const kept = owned.filter(({ home }) => !robbed.has(home))
  return final.flatMap(({ node, state }) => {
    const there = new Map(state.memories.map((memory) => [memory.id, memory]))
    return kept.flatMap(({ id, may, title }) => {
      const memory = there.get(id)
      const fits = may.some(({ content, place }) =>
        place === "gone"
          ? memory === undefined
          : memory?.place === place && memory.content.includes(JSON.stringify(content))
      )
      const wanted = may.map(({ content, place }) => `${place} "${content}"`).join(" or ")
      return fits ? [] : [`${node} has "${title}" ${memory?.place ?? "gone"}, and it is ${wanted}`]
    })
  })
}

const MAX_LOGGED = 5

/** Errors in the logs that no fault excuses. */
const logged = ({ excused, mesh: { nodes } }: Scene.Scene): ReadonlyArray<string> =>
  nodes.filter(({ name }) => !excused.has(name)).flatMap(({ log, name }) =>
    fs.readFileSync(log, "utf8").split("\n")
      .filter((line) => /"level":"(error|fatal)"/.test(line))
      .slice(0, MAX_LOGGED)
      .map((line) => `${name}: ${line.slice(0, 400)}`)
  )

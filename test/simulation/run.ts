import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { globalValue } from "effect/GlobalValue"
import * as Random from "effect/Random"
import * as Runtime from "effect/Runtime"
import { remember } from "../../src/operations/memories/remember.js"
import * as rows from "../../src/store/checking/rows.js"
import * as sums from "../../src/store/checking/sums.js"
import { inTurn, toItsEnd } from "../../src/store/checking/Walk.js"
import * as ambience from "./ambience.js"
import * as checker from "./checker.js"
import { Client } from "./Client.js"
import type { Coverage } from "./coverage.js"
import * as dump from "./dump.js"
import * as faults from "./faults.js"
import { fromSeed, type Options } from "./options.js"
import * as SimClock from "./SimClock.js"
import { POISON } from "./SimNetwork.js"
import { guarded } from "./tripwire.js"
import { others, workloads } from "./workloads/all.js"
import type { Workload } from "./workloads/Workload.js"
import { World } from "./World.js"

export interface Result {
  readonly options: Options
  readonly violations: ReadonlyArray<checker.Violation>
  readonly coverage: Coverage
  /** Over everything that happened and what was left at the end. */
  readonly trace: string
  /** What happened, line by line, when it was asked for. */
  readonly lines: ReadonlyArray<string>
  readonly simulatedMillis: number
  /** What each node had at the end, and its file; empty unless they were asked for. */
  readonly files: ReadonlyArray<{ readonly dump: dump.Dump; readonly image: Buffer }>
}

interface How {
  readonly focus?: Partial<Options>
  readonly keepTrace?: boolean
  readonly keepFiles?: boolean
}

/**
 * One simulation, from its seed to its verdict. Synchronous: nothing of it waits for the world outside. `focus` takes the
 * place of what the seed says.
 */
export const run = (
  seed: number,
  image: Buffer,
  { focus = {}, keepFiles = false, keepTrace = false }: How = {}
): Result => {
  const options = { ...fromSeed(seed, Object.keys(workloads)), ...focus }
  const before = new Set(rootFibers.roots)
  const world = new World(options, image, keepTrace)
  try {
    return guarded(() => simulate(world, keepFiles))
  } finally {
    for (const { disk } of world.nodes) disk.close()
    // Fibers of crashed processes never end: nobody else would let go of them.
    for (const fiber of [...rootFibers.roots]) if (!before.has(fiber)) rootFibers.roots.delete(fiber)
  }
}

const rootFibers = globalValue(Symbol.for("effect/FiberScope/Global"), () => ({ roots: new Set<unknown>() }))

/** A node meets its peers within so long after its start, unless something is in the way. */
const MEETING_MILLIS = 2_500
/** Before the first round of catch-up, which would hide what the live lane left out. */
const CALM_UNTIL_MILLIS = 4_600
const CALM_WRITING_MILLIS = 500
/** Shorter than the way to a slow peer, so that something waits while something else is under way. */
const CALM_PAUSE_MILLIS = 60
/** More than the longest interval of what nodes do by themselves, and change others by it. */
const OWN_WORK_MILLIS = 1_500
/** What a simulated node needs beside waiting. */
const SLACK_MILLIS = 10
/** How long the mesh may take to come to rest after the faults. */
const LIVENESS_MILLIS = 300_000

const simulate = (world: World, keepFiles: boolean): Result => {
  const begun = world.options.workloads.map((name) => begin(world, name))
  meet(world)
  if (world.options.calm && world.areInTouch()) calm(world)
  disturb(world, begun)
  const isAtRest = rest(world, begun)
  const surprises = isAtRest ? lookAround(world, begun) : []
  const final = world.nodes.map((node) => world.dumpOf(node))
  for (const each of final) world.trace.add(world.timeline.now, dump.digest(each))
  count(world, final)
  const violations = checker.check({
    history: world.history,
    final,
    quorumOf: (node) => quorumOf(world.options, node),
    ackMillis: world.options.ackMillis,
    slackMillis: SLACK_MILLIS,
    // Whoever answers at another's address is not who was asked.
    countsInTime: countsInTime(world.options),
    keepsDisks: world.options.lostDisk === null,
    poison: POISON
  })
  return {
    options: world.options,
    violations: [...violations, ...surprises, ...contents(world)],
    coverage: world.coverage,
    trace: world.trace.digest(),
    lines: world.trace.lines ?? [],
    simulatedMillis: world.timeline.now,
    files: keepFiles
      ? world.nodes.map((node) => ({ dump: world.dumpOf(node), image: node.disk.copy().image }))
      : []
  }
}

/** What each node keeps is as its log says: the standing check has nothing to find. One seed in five shows it. */
const contents = (world: World): ReadonlyArray<checker.Violation> =>
  world.options.seed % 5 > 0 ?
    [] :
    world.nodes.flatMap((node) =>
      node.disk.read((db) => toItsEnd(inTurn([rows.walk(db), sums.walk(db)])).faults).map(({ key, table, what }) => ({
        rule: "contents",
        what: `${node.name}: ${table} ${key}: ${what}`
      }))
    )

/** A majority, by a definition of the simulation's own. The first node of an aliased mesh counts one peer twice. */
const quorumOf = ({ aliased, nodes, quorumWrites }: Options, node: string): number => {
  const n = aliased && node === "n1" ? nodes + 1 : nodes
  return Math.min(quorumWrites ?? Math.floor(n / 2) + 1, n)
}

interface Begun extends Workload {
  readonly name: string
  running: number
}

const begin = (world: World, name: string): Begun => {
  const workload = workloads[name] ?? others[name]
  if (workload === undefined) throw new Error(`there is no workload ${name}`)
  const made = workload({
    world,
    client: (client) => new Client(world, client, world.chance.fork(client)),
    isOn: () => world.faulty
  })
  return { ...made, name, running: made.clients.length }
}

/** Runs a program of a client to its end. */
const fork = (world: World, program: Effect.Effect<void>, done: () => void): void => {
  const ambient = ambience.around({
    clock: SimClock.make(world.timeline, world.outside, () => 0),
    random: Random.make(world.chance.uuid()),
    tracing: null,
    log: () => {},
    logLevel: world.logLevel
  })
  const scheduler = world.scheduler.of(world.outside)
  Runtime.runFork(ambience.runtime)(ambient(program), { immediate: false, scheduler }).addObserver((exit) => {
    if (Exit.isFailure(exit)) {
      world.note({ type: "broken", at: world.timeline.now, node: "clients", what: Cause.pretty(exit.cause) })
    }
    done()
  })
}

const meet = (world: World): void => {
  for (const node of world.nodes) {
    node.offsetMillis = faults.skew(world.chance)
    world.timeline.after(world.chance.between(0, 200), () => world.start(node))
  }
  world.runUntil(() => world.areInTouch(), MEETING_MILLIS)
}

/** Without faults and without catch-up: the live lane alone brings every write to every node. */
const calm = (world: World): void => {
  for (const node of world.nodes) {
    const client = new Client(world, `calm-${node.name}`, world.chance.fork(`calm-${node.name}`))
    const write = (number: number) =>
      Effect.zipRight(
        client.pause(CALM_PAUSE_MILLIS),
        client.once(node, {
          operation: "remember",
          effect: (caller) =>
            remember({ title: `${client.name} ${number}`, content: "in peace", namespace: "calm" }, caller)
        })
      )
    const until = world.timeline.now + CALM_WRITING_MILLIS
    fork(
      world,
      Effect.iterate(0, {
        while: () => world.timeline.now < until,
        body: (number) =>
          Effect.map(write(number), ({ certainty }) => {
            if (certainty === "ok") world.coverage.add("calm writes")
            return number + 1
          })
      }),
      () => {}
    )
  }
  world.runUntil(() => false, CALM_UNTIL_MILLIS)
  world.note({ type: "calm", at: world.timeline.now, facts: world.facts() })
}

const disturb = (world: World, begun: ReadonlyArray<Begun>): void => {
  const { chance, network, options, timeline } = world
  const until = timeline.now + options.safetySeconds * 1_000
  world.faulty = true
  network.begin()
  world.scheduler.nervous = true
  faults.schedule(world, timeline.now, until)
  for (const workload of begun) {
    for (const client of workload.clients) fork(world, client, () => workload.running--)
  }
  const look = () => {
    world.observe()
    if (world.faulty) timeline.after(chance.exponential(4_000), look)
  }
  timeline.after(chance.exponential(4_000), look)
  world.runUntil(() => false, until)
}

/**
 * Not where an answer comes under another identity, and not where everybody may have refused what is stamped anew, and taken,
 * a moment later.
 */
const countsInTime = ({ fastClock, leadingClock, slowShare, swaps }: World["options"]): boolean =>
  slowShare > 0 && !swaps && !fastClock && !leadingClock

/** Ends the faults and waits until everyone has what everyone has. */
const rest = (world: World, begun: ReadonlyArray<Begun>): boolean => {
  faults.heal(world)
  world.note({ type: "healed", at: world.timeline.now })
  const isDone = () => begun.every(({ running }) => running === 0) && world.isQuiet()
  if (world.runUntil(isDone, world.timeline.now + LIVENESS_MILLIS) && afterwards(world) && allWrite(world)) {
    const resting = world.nodes.map((node) => ({
      node: node.name,
      peers: node.links().length,
      queued: node.links().reduce((sum, { queued }) => sum + queued, 0),
      sleeping: node.process?.sleeping ?? 0
    }))
    world.note({ type: "quiet", at: world.timeline.now, resting })
    world.observe()
    return true
  }
  const stuck = begun.filter(({ running }) => running > 0).map(({ name }) => name)
  const states = world.nodes.map((node) => {
    const links = node.links().map(({ identity, phase, queued }) => `${identity?.peerId} ${phase} ${queued}`)
    const vector = JSON.stringify(Object.fromEntries(node.store()?.vector() ?? []))
    return `${node.name} ${node.runtime === null ? "down" : `(${links.join()}) ${vector}`}`
  })
  world.note({
    type: "restless",
    at: world.timeline.now,
    detail: `clients of [${stuck.join()}] are not done; ${states.join("; ")}`
  })
  return false
}

/** What nodes do by themselves, once all is equal: deciding by votes. */
const afterwards = (world: World): boolean => {
  world.runUntil(() => false, world.timeline.now + OWN_WORK_MILLIS)
  return world.runUntil(() => world.isQuiet(), world.timeline.now + LIVENESS_MILLIS)
}

/** A mesh at rest takes a write at every node. */
const allWrite = (world: World): boolean => {
  let open = world.nodes.length
  for (const node of world.nodes) {
    const client = new Client(world, `last-${node.name}`, world.chance.fork(`last-${node.name}`))
    const ask = {
      operation: "remember",
      effect: (caller: Parameters<typeof remember>[1]) =>
        remember({ title: client.name, content: "the last word", namespace: "last" }, caller)
    }
    fork(
      world,
      Effect.asVoid(client.insist(ask, () => node)),
      () => open--
    )
  }
  return world.runUntil(() => open === 0 && world.isQuiet(), world.timeline.now + LIVENESS_MILLIS)
}

/** What the workloads find wrong, at every node. */
const lookAround = (world: World, begun: ReadonlyArray<Begun>): ReadonlyArray<checker.Violation> => {
  const found: Array<checker.Violation> = []
  for (const { name, wrong } of begun) {
    for (const node of world.nodes) {
      node.run(wrong, (exit) => {
        const told = Exit.isSuccess(exit) ? exit.value : [Cause.pretty(exit.cause)]
        found.push(...told.map((what) => ({ rule: name, what: `${node.name}: ${what}` })))
      })
    }
  }
  world.runUntil(() => true, world.timeline.now)
  return found
}

const count = ({ coverage, history }: World, final: ReadonlyArray<dump.Dump>): void => {
  const gaps = new Set<string>()
  for (const event of history) {
    if (event.type !== "observed") continue
    for (const { node, vector } of event.facts) {
      for (const [origin, { beyond }] of vector) if (beyond.length > 0) gaps.add(`${node} ${origin}`)
    }
  }
  coverage.add("gaps", gaps.size)
  const open = final.flatMap(({ vector }) => [...vector.values()]).filter(({ beyond }) => beyond.length > 0)
  if (open.length === 0) coverage.add("gaps filled", gaps.size)
  const [any] = final
  coverage.add("shadows", any?.state.memories.filter(({ place }) => place === "shadow").length ?? 0)
  coverage.add("decisions", any?.log.filter(({ kind }) => kind === "decision").length ?? 0)
  coverage.add("conflicts", any?.state.conflicts.length ?? 0)
}

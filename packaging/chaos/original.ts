import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as path from "node:path"
import type { Prng } from "../../test/simulation/prng.js"
import * as Chronicle from "./Chronicle.js"
import type { Broken, Daemon } from "./Daemon.js"
import type { Means } from "./means.js"
import * as Mesh from "./Mesh.js"
import * as Scene from "./Scene.js"

/** The four faults of the original's script, by its names. */
export const ORIGINAL_FAULTS = [
  "kill_primary_mid_write",
  "partition_minority",
  "drop_random_acks",
  "clock_skew_peer"
] as const
export type OriginalFault = typeof ORIGINAL_FAULTS[number]

export const isOriginalFault = (text: string): text is OriginalFault => ORIGINAL_FAULTS.some((each) => each === text)

/** A line of its report. The counts are texts, as there. */
export interface Cycle {
  readonly cycle: number
  readonly fault: OriginalFault
  readonly writes: number
  readonly ok: number
  readonly quorum_not_met: number
  readonly fail: number
  readonly count_node0: string
  readonly count_node1: string
  readonly count_node2: string
  /** Acknowledged writes that are on both of the other nodes; not in the original's report. */
  readonly converged: number
}

export interface Summary {
  readonly total_cycles: number
  readonly total_writes: number
  readonly total_ok: number
  readonly total_quorum_not_met: number
  readonly total_fail: number
  /** Null where nothing was acknowledged: then nothing can be said. */
  readonly convergence_bound: number | null
}

export const summaryOf = (cycles: ReadonlyArray<Cycle>): Summary => {
  const sum = (field: "writes" | "ok" | "quorum_not_met" | "fail" | "converged") =>
    cycles.reduce((total, cycle) => total + cycle[field], 0)
  const ok = sum("ok")
  return {
    total_cycles: cycles.length,
    total_writes: sum("writes"),
    total_ok: ok,
    total_quorum_not_met: sum("quorum_not_met"),
    total_fail: sum("fail"),
    convergence_bound: ok === 0 ? null : Math.floor(sum("converged") / ok * 1_000) / 1_000
  }
}

/** Writes go to the first node, from so many clients that some are always under way. */
const CLIENTS = 4
const RETRIES = 200
const CONVERGES_WITHIN_MILLIS = 20 * Mesh.ACK_MILLIS

export interface Wanted {
  readonly cycle: number
  readonly fault: OriginalFault
  readonly writes: number
  readonly ports: ReadonlyArray<number> | undefined
  readonly folder: string
  readonly main: string
  readonly means: Means
  readonly chance: Prng
}

/** One cycle: three fresh nodes, W = 2, so many writes to the first of them, and the fault in their midst. */
export const cycle = (wanted: Wanted): Effect.Effect<Cycle, Broken> =>
  Effect.scoped(Effect.gen(function*() {
    fs.mkdirSync(wanted.folder, { recursive: true })
    const chronicle = Chronicle.make(path.join(wanted.folder, "..", `cycle-${wanted.cycle}.jsonl`))
    yield* Effect.addFinalizer(() => Effect.sync(chronicle.close))
    const { chance, folder, main, means, ports } = wanted
    const mesh = yield* Mesh.make({
      ...{ size: 3, quorumWrites: 2, isSecured: false, folder, main, chance },
      means: { ...means, canFill: false },
      ...(ports === undefined ? {} : { ports }),
      ended: () => {}
    })
    const [primary] = mesh.nodes
    if (primary === undefined) return yield* Effect.dieMessage("a mesh has nodes")
    yield* Mesh.begin(mesh)
    const scene = Scene.make(mesh, chronicle, false)
    const asked = { next: 0, ok: new Set<string>(), missed: 0, fail: 0 }
    const write = Effect.suspend(() => one(scene, primary, wanted.cycle, asked))
    const client = Effect.whileLoop({ while: () => asked.next < wanted.writes, body: () => write, step: () => {} })
    const fault = Effect.suspend(() =>
      asked.next < wanted.writes / 4 ? Effect.zipRight(Effect.sleep(5), Effect.fail("not yet")) : Effect.void
    ).pipe(Effect.eventually, Effect.zipRight(strike(scene, primary, wanted.fault)))
    yield* Effect.all([fault, ...Array.from({ length: CLIENTS }, () => client)], {
      concurrency: "unbounded",
      discard: true
    })
    yield* converged(scene)
    return told(wanted, asked, mesh)
  })).pipe(Effect.tap(() => Effect.sync(() => fs.rmSync(wanted.folder, { recursive: true }))))

interface Asked {
  next: number
  readonly ok: Set<string>
  missed: number
  fail: number
}

/** Sent again for as long as nobody answers: under one key it is one write, and each is counted once. */
const one = (scene: Scene.Scene, node: Daemon, number: number, asked: Asked): Effect.Effect<void> => {
  const index = asked.next++
  const title = `c${number}-w${index}`
  const body = {
    tier: "mid",
    namespace: `chaos-c${number}`,
    title,
    content: `write ${index} of ${title}`,
    source: "chaos"
  }
  const request = { method: "POST", path: "/api/v1/memories", body } as const
  const attempt = (left: number): Effect.Effect<void> =>
    Effect.suspend(() => {
      const before = scene.tally.quorumNotMet
      return Effect.flatMap(
        Scene.once(scene, node, { client: title, operation: "create", request, key: title, token: null }),
        (answer) => {
          if (answer.certainty === "ok") asked.ok.add(String(answer.reply.body["id"]))
          else if (answer.certainty === "info" && scene.tally.quorumNotMet > before) asked.missed++
          else if (answer.certainty === "fail" && !answer.isPassing) asked.fail++
          else if (left > 0) return Effect.zipRight(Effect.sleep(100), attempt(left - 1))
          else asked.fail++
          return Effect.void
        }
      )
    })
  return attempt(RETRIES)
}

const strike = (
  { chronicle, mesh }: Scene.Scene,
  primary: Daemon,
  fault: OriginalFault
): Effect.Effect<void, Broken> => {
  const others = mesh.nodes.filter((node) => node !== primary).map(({ name }) => name)
  const [peer = ""] = others
  const during = <E>(as: Chronicle.Fault, nodes: ReadonlyArray<string>, what: Effect.Effect<void, E>) =>
    Effect.suspend(() => Effect.ensuring(what, Effect.sync(chronicle.begin(as, nodes))))
  const between = (begin: () => void, millis: number, end: () => void) =>
    Effect.acquireUseRelease(Effect.sync(begin), () => Effect.sleep(millis), () => Effect.sync(end))
  switch (fault) {
    case "kill_primary_mid_write":
      return during(
        "kill",
        [primary.name],
        primary.end("SIGKILL").pipe(Effect.zipRight(Effect.sleep(500)), Effect.zipRight(primary.start()))
      )
    case "partition_minority": {
      const all = (turn: (from: string, to: string) => void) => () => {
        for (const other of others) {
          turn(primary.name, other)
          turn(other, primary.name)
        }
      }
      return during("partition", [primary.name], between(all(mesh.network.cut), 1_500, all(mesh.network.mend)))
    }
    case "drop_random_acks": {
      const { backward } = mesh.network.between(primary.name, peer)
      const set = (swallow: number) => () => backward.set({ swallow })
      return during("dropped-acks", [peer], between(set(0.5), 2_000, set(0)))
    }
    case "clock_skew_peer": {
      const set = (millis: number) => () => mesh.setClock(peer, millis)
      return during("clock", [peer], between(set(45_000), 3_000, set(0)))
    }
  }
}

/** "Every committed write on every reachable member within 10 × quorum timeout", and as long again for a busy machine. */
const converged = ({ chronicle, mesh: { disks } }: Scene.Scene): Effect.Effect<void> => {
  const until = chronicle.now() + CONVERGES_WITHIN_MILLIS
  const wait: Effect.Effect<void> = Effect.suspend(() =>
    disks.areEqual() || chronicle.now() > until ? Effect.void : Effect.zipRight(Effect.sleep(50), wait)
  )
  return wait
}

/** Counted where it lies: a list would end at its limit. */
const told = (wanted: Wanted, asked: Asked, { disks, nodes }: Mesh.Mesh): Cycle => {
  const namespace = `chaos-c${wanted.cycle}`
  const held = nodes.map(({ name }) =>
    new Set(
      disks.dump(name).state.memories
        .filter((memory) => memory.namespace === namespace && memory.place === "visible")
        .map(({ id }) => id)
    )
  )
  const [first, second, third] = held.map(({ size }) => String(size))
  const converged = [...asked.ok].filter((id) => held.slice(1).every((ids) => ids.has(id))).length
  return {
    cycle: wanted.cycle,
    fault: wanted.fault,
    writes: wanted.writes,
    ok: asked.ok.size,
    quorum_not_met: asked.missed,
    fail: asked.fail,
    count_node0: first ?? "0",
    count_node1: second ?? "0",
    count_node2: third ?? "0",
    converged
  }
}

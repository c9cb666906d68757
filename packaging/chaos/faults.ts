import * as Effect from "effect/Effect"
import { spawn } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import type { Prng } from "../../test/simulation/prng.js"
import type { Fault } from "./Chronicle.js"
import type { Broken, Daemon } from "./Daemon.js"
import * as Disks from "./Disks.js"
import type { Scene } from "./Scene.js"

export interface Strike {
  readonly scene: Scene
  readonly chance: Prng
  readonly lastsMillis: number
  /** The program that a rolling upgrade leads to. */
  readonly upgradeTo: string | undefined
}

type Doing = (strike: Strike) => Effect.Effect<void, Broken>

/** What takes a disk with all that is on it. */
export const ROBBING: ReadonlySet<Fault> = new Set(["wiped-disk", "old-backup", "clone"])

/** From here to there something is wrong with these nodes, and that is written down. */
const during = <E>(
  { scene }: Strike,
  fault: Fault,
  nodes: ReadonlyArray<string>,
  what: Effect.Effect<void, E>
): Effect.Effect<void, E> =>
  Effect.suspend(() => {
    const end = scene.chronicle.begin(fault, nodes)
    return Effect.ensuring(what, Effect.sync(end))
  })

/** Waits for a node that nothing else is being done to, and has it for as long as this takes. */
const withNode = (
  strike: Strike,
  what: (node: Daemon) => Effect.Effect<void, Broken>
): Effect.Effect<void, Broken> =>
  Effect.suspend(() => {
    const { chance, scene } = strike
    const free = scene.mesh.nodes.filter(({ name }) => !scene.busy.has(name))
    if (free.length === 0) return Effect.zipRight(Effect.sleep(100), withNode(strike, what))
    const node = chance.pick(free)
    scene.busy.add(node.name)
    return Effect.ensuring(what(node), Effect.sync(() => scene.busy.delete(node.name)))
  })

/** Starts a node that is down, and writes down with what on its disk. */
const restart = ({ scene }: Strike, node: Daemon, main?: string): Effect.Effect<void, Broken> =>
  Effect.suspend(() => {
    const { chronicle, mesh } = scene
    if (fs.existsSync(path.join(node.folder, Disks.FILE))) {
      chronicle.note({ type: "reopened", at: chronicle.now(), dump: mesh.disks.dump(node.name) })
    }
    return node.start(main)
  })

const crash = ({ scene: { chronicle } }: Strike, node: Daemon) =>
  Effect.suspend(() => {
    chronicle.note({ type: "crashed", at: chronicle.now(), node: node.name, how: "killed" })
    return node.end("SIGKILL")
  })

const kill: Doing = (strike) =>
  withNode(strike, (node) =>
    during(
      strike,
      "kill",
      [node.name],
      Effect.zipRight(
        Effect.zipRight(crash(strike, node), Effect.sleep(strike.lastsMillis / 3)),
        restart(strike, node)
      )
    ))

const pause: Doing = (strike) =>
  withNode(strike, (node) => {
    const { chronicle } = strike.scene
    const stand = Effect.suspend(() => {
      const from = chronicle.now()
      node.signal("SIGSTOP")
      return Effect.map(Effect.sleep(strike.lastsMillis), () => {
        node.signal("SIGCONT")
        const at = chronicle.now()
        chronicle.note({ type: "frozen", at, node: node.name, from, to: at })
      })
    })
    return during(strike, "pause", [node.name], stand)
  })

type Pairs = ReadonlyArray<readonly [from: string, to: string]>

const bothWays = (side: ReadonlyArray<string>, others: ReadonlyArray<string>): Pairs =>
  side.flatMap((a) => others.flatMap((b) => [[a, b] as const, [b, a] as const]))

const namesOf = ({ scene }: Strike) => scene.mesh.nodes.map(({ name }) => name)

const cutFor = ({ scene: { mesh: { network } } }: Strike, pairs: Pairs, millis: number) =>
  Effect.suspend(() => {
    for (const [from, to] of pairs) network.cut(from, to)
    return Effect.map(Effect.sleep(millis), () => {
      for (const [from, to] of pairs) network.mend(from, to)
    })
  })

const partition: Doing = (strike) => {
  const names = namesOf(strike)
  const first = strike.chance.pick(names)
  const side = names.filter((name) => name === first || (names.length > 3 && strike.chance.chance(0.3)))
  const others = names.filter((name) => !side.includes(name))
  return during(strike, "partition", side, cutFor(strike, bothWays(side, others), strike.lastsMillis))
}

const oneWay: Doing = (strike) => {
  const from = strike.chance.pick(namesOf(strike))
  const to = strike.chance.pick(namesOf(strike).filter((name) => name !== from))
  return during(strike, "one-way", [from, to], cutFor(strike, [[from, to]], strike.lastsMillis))
}

const FLAPS = 5

const flapping: Doing = (strike) => {
  const alone = strike.chance.pick(namesOf(strike))
  const pairs = bothWays([alone], namesOf(strike).filter((name) => name !== alone))
  const turn = strike.lastsMillis / FLAPS / 2
  const flap = Effect.zipRight(cutFor(strike, pairs, turn), Effect.sleep(turn))
  return during(strike, "flapping", [alone], Effect.repeatN(flap, FLAPS - 1))
}

/** Something is wrong with all links of a node, both ways. */
const onLinks = (
  fault: Fault,
  change: (chance: Prng) => Parameters<Scene["mesh"]["network"]["links"][number]["forward"]["set"]>[0],
  right: Parameters<Scene["mesh"]["network"]["links"][number]["forward"]["set"]>[0],
  directions: ReadonlyArray<"forward" | "backward">
): Doing =>
(strike) => {
  const node = strike.chance.pick(namesOf(strike))
  const links = strike.scene.mesh.network.links.filter(({ from, to }) => from === node || to === node)
  const set = (what: typeof right) => {
    for (const link of links) for (const direction of directions) link[direction].set(what)
  }
  const doing = Effect.suspend(() => {
    set(change(strike.chance))
    return Effect.map(Effect.sleep(strike.lastsMillis), () => set(right))
  })
  return during(strike, fault, [node], doing)
}

const loss = onLinks("loss", (chance) => ({ loss: chance.between(0.02, 0.3) }), { loss: 0 }, ["forward", "backward"])
const delay = onLinks(
  "delay",
  (chance) => ({ delayMillis: chance.between(10, 400) }),
  { delayMillis: 0 },
  ["forward", "backward"]
)
/** What was sent is applied, and nobody hears of it. */
const droppedAcks = onLinks(
  "dropped-acks",
  (chance) => ({ swallow: chance.between(0.2, 0.9) }),
  { swallow: 0 },
  ["backward"]
)

const OFFSETS_MILLIS = [-90_000, -5_000, -1_000, 1_000, 5_000, 50_000, 90_000, 7_200_000]

const clock: Doing = (strike) =>
  withNode(strike, ({ name }) => {
    const { setClock } = strike.scene.mesh
    const off = Effect.suspend(() => {
      setClock(name, strike.chance.pick(OFFSETS_MILLIS))
      return Effect.map(Effect.sleep(strike.lastsMillis + 1_000), () => setClock(name, 0))
    })
    return during(strike, "clock", [name], off)
  })

/** While a disk fails its node may complain, and end; then it is started again. */
const withDisk = (
  strike: Strike,
  fault: Fault,
  what: (node: Daemon) => Effect.Effect<void>
): Effect.Effect<void, Broken> =>
  withNode(strike, (node) => {
    strike.scene.excused.add(node.name)
    return during(
      strike,
      fault,
      [node.name],
      Effect.zipRight(what(node), Effect.suspend(() => node.isUp() ? Effect.void : restart(strike, node)))
    )
  })

const slowDisk: Doing = (strike) =>
  withDisk(strike, "slow-disk", (node) =>
    Effect.acquireUseRelease(
      Effect.sync(() => {
        const micros = Math.round(strike.chance.between(20, 250)) * 1_000
        const inject = `inject=fsync,fdatasync:delay_enter=${micros}`
        const args = ["-f", "-p", String(node.pid()), "-e", "trace=fsync,fdatasync", "-e", inject, "-o", "/dev/null"]
        return spawn("strace", args, { stdio: "ignore" })
      }),
      () => Effect.sleep(strike.lastsMillis),
      (tracer) =>
        Effect.async<void>((resume) => {
          if (tracer.exitCode !== null) return resume(Effect.void)
          tracer.once("exit", () => resume(Effect.void))
          tracer.kill("SIGINT")
        })
    ))

const BALLAST_CHUNK = 1 << 20

const fill = (file: string): void => {
  const handle = fs.openSync(file, "a")
  for (const size of [BALLAST_CHUNK, 4096, 1]) {
    try {
      for (;;) fs.writeSync(handle, Buffer.alloc(size))
    } catch {
      // Nothing of that size has room any more.
    }
  }
  fs.closeSync(handle)
}

const fullDisk: Doing = (strike) =>
  withDisk(strike, "full-disk", ({ folder }) => {
    const ballast = path.join(folder, "ballast")
    return Effect.acquireUseRelease(
      Effect.sync(() => fill(ballast)),
      () => Effect.sleep(strike.lastsMillis),
      () => Effect.sync(() => fs.rmSync(ballast))
    )
  })

/** The disk of a node that is killed is taken, and another put in its place. */
const rob = (
  strike: Strike,
  fault: Fault,
  image: (
    node: Daemon
  ) => Effect.Effect<{ readonly file: string | null; readonly beside: Parameters<Disks.Disks["replace"]>[2] }>
): Effect.Effect<void, Broken> =>
  withNode(strike, (node) =>
    Effect.flatMap(image(node), ({ beside, file }) => {
      const { chronicle, mesh, robbed } = strike.scene
      robbed.add(node.name)
      const replace = Effect.sync(() => {
        const dump = mesh.disks.replace(node.name, file, beside)
        chronicle.note({ type: "restored", at: chronicle.now(), node: node.name, dump })
      })
      return during(
        strike,
        fault,
        [node.name],
        crash(strike, node).pipe(Effect.zipRight(replace), Effect.zipRight(restart(strike, node)))
      )
    }))

const wipedDisk: Doing = (strike) => rob(strike, "wiped-disk", () => Effect.succeed({ file: null, beside: "removed" }))

const oldBackup: Doing = (strike) =>
  rob(strike, "old-backup", ({ name }) => {
    const { disks, spec } = strike.scene.mesh
    const file = path.join(spec.folder, `${name}.backup`)
    const beside = strike.chance.pick(["kept", "removed"] as const)
    return Effect.promise(() => disks.copy(name, file)).pipe(
      Effect.zipRight(Effect.sleep(strike.lastsMillis)),
      Effect.as({ file, beside })
    )
  })

const clone: Doing = (strike) =>
  rob(strike, "clone", ({ name }) => {
    const { mesh } = strike.scene
    const other = strike.chance.pick(mesh.nodes.filter((node) => node.name !== name))
    const file = path.join(mesh.spec.folder, `${other.name}.copy`)
    return Effect.promise(() => mesh.disks.copy(other.name, file)).pipe(
      Effect.map(() => ({
        file,
        beside: fs.readdirSync(other.folder)
          .filter((each) => each.startsWith(`${Disks.FILE}-`) && !/-(wal|shm|journal)$/.test(each))
          .map((each) => path.join(other.folder, each))
      }))
    )
  })

/** Each node is asked to end and started again, one after the other, by another build if there is one. */
const upgrade: Doing = (strike) => {
  const { chronicle, mesh } = strike.scene
  const next = (node: Daemon): Effect.Effect<void, Broken> => {
    if (strike.scene.busy.has(node.name)) return Effect.zipRight(Effect.sleep(100), Effect.suspend(() => next(node)))
    strike.scene.busy.add(node.name)
    return node.end("SIGTERM").pipe(
      Effect.tap(() => chronicle.note({ type: "stopped", at: chronicle.now(), node: node.name, how: "asked" })),
      Effect.zipRight(restart(strike, node, strike.upgradeTo)),
      Effect.ensuring(Effect.sync(() => strike.scene.busy.delete(node.name)))
    )
  }
  return during(
    strike,
    "upgrade",
    namesOf(strike),
    Effect.forEach(mesh.nodes, (node) => Effect.suspend(() => next(node)), { discard: true })
  )
}

export const faults: Readonly<Record<Fault, Doing>> = {
  kill,
  pause,
  partition,
  "one-way": oneWay,
  flapping,
  loss,
  delay,
  "dropped-acks": droppedAcks,
  clock,
  "slow-disk": slowDisk,
  "full-disk": fullDisk,
  "wiped-disk": wipedDisk,
  "old-backup": oldBackup,
  clone,
  upgrade
}

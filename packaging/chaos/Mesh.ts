import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { execFile, execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { promisify } from "node:util"
import { reservePorts } from "../../test/mesh/Cluster.js"
import type { Prng } from "../../test/simulation/prng.js"
import * as Daemon from "./Daemon.js"
import * as Disks from "./Disks.js"
import * as Http from "./Http.js"
import type { Means } from "./means.js"
import * as Network from "./Network.js"

export interface Spec {
  readonly size: number
  readonly quorumWrites: number
  readonly isSecured: boolean
  /** Deadline of a write; ACK_MILLIS unless given. */
  readonly ackMillis?: number
  readonly folder: string
  readonly main: string
  /** Where they listen: anywhere, unless given. */
  readonly ports?: ReadonlyArray<number>
  readonly chance: Prng
  readonly means: Means
  readonly ended: (node: string, how: string) => void
}

export const ACK_MILLIS = 3_000
const CATCHUP_SECONDS = 2

/** Real daemons, each of which reaches the others by links of the run's own. */
export interface Mesh {
  readonly spec: Spec
  readonly nodes: ReadonlyArray<Daemon.Daemon>
  readonly network: Network.Network
  readonly disks: Disks.Disks
  readonly http: Http.Http
  /** Sets a wall clock off by so much. */
  readonly setClock: (node: string, offsetMillis: number) => void
}

export const make = (spec: Spec): Effect.Effect<Mesh, Daemon.Broken, Scope.Scope> =>
  Effect.gen(function*() {
    const names = Array.from({ length: spec.size }, (_, index) => `n${index + 1}`)
    const folders = new Map(names.map((name) => [name, path.join(spec.folder, name)]))
    for (const folder of folders.values()) yield* disk(folder, spec.means)
    if (spec.isSecured) yield* issue(spec, names)
    const http = yield* Http.make(
      spec.isSecured ? fs.readFileSync(path.join(spec.folder, "ca", "ca.pem"), "utf8") : undefined
    )
    // Kept until the links have theirs: one of those could get the port of a node.
    const reserved = yield* Effect.acquireRelease(
      Effect.promise(() => reservePorts(spec.ports === undefined ? spec.size : 0)),
      ({ release }) => Effect.sync(release)
    )
    const ports = spec.ports ?? reserved.ports
    const portOf = (name: string) => ports[names.indexOf(name)] ?? 0
    const pairs = names.flatMap((from) => names.filter((to) => to !== from).map((to) => ({ from, to })))
    const links = yield* Effect.forEach(
      pairs,
      ({ from, to }) => Network.link({ from, to, target: portOf(to), chance: spec.chance.fork(`${from} ${to}`) })
    )
    reserved.release()
    const scheme = spec.isSecured ? "https" : "http"
    const nodes = yield* Effect.forEach(names, (name) => {
      const peers = links.filter(({ from }) => from === name).map(({ port }) => `${scheme}://127.0.0.1:${port}`)
      const folder = folders.get(name) ?? ""
      return Daemon.make({
        name,
        url: `${scheme}://127.0.0.1:${portOf(name)}`,
        folder,
        main: spec.main,
        ...spec.means.clock(path.join(spec.folder, `${name}.clock`)),
        flags: flagsOf(spec, { name, folder, port: portOf(name), peers }),
        http,
        ended: (how) => spec.ended(name, how)
      })
    })
    const disks = Disks.make(folders)
    yield* Effect.addFinalizer(() => Effect.sync(disks.close))
    const setClock = (node: string, offsetMillis: number) =>
      spec.means.setClock(path.join(spec.folder, `${node}.clock`), offsetMillis)
    for (const name of names) setClock(name, 0)
    return { spec, nodes, network: Network.make(links), disks, http, setClock }
  })

const flagsOf = (
  { ackMillis = ACK_MILLIS, folder: round, isSecured, quorumWrites }: Spec,
  { folder, name, peers, port }: {
    readonly name: string
    readonly folder: string
    readonly port: number
    readonly peers: ReadonlyArray<string>
  }
): ReadonlyArray<string> => [
  ...["--port", String(port), "--db", path.join(folder, Disks.FILE)],
  ...["--quorum-writes", String(quorumWrites), "--quorum-peers", peers.join(",")],
  ...["--quorum-timeout-ms", String(ackMillis), "--catchup-interval-secs", String(CATCHUP_SECONDS)],
  ...["--embedder", "none", "--log-format", "json", "--log-level", "warn", "--shutdown-grace-secs", "5"],
  ...(isSecured
    ? ["--identity-dir", path.join(round, `${name}.identity`), "--mtls-scope", "peers"]
    : ["--node-id", name, "--key-dir", path.join(round, "no-keys")])
]

/** The folder of a node: a disk of its own, that can be filled, where that can be made. */
const disk = (folder: string, means: Means): Effect.Effect<void, never, Scope.Scope> => {
  fs.mkdirSync(folder, { recursive: true })
  return means.canFill
    ? Effect.acquireRelease(
      Effect.sync(() => void execFileSync("mount", ["-t", "tmpfs", "-o", "size=256m", "tmpfs", folder])),
      () => Effect.sync(() => void execFileSync("umount", ["-l", folder]))
    )
    : Effect.void
}

/** An authority, and what each node needs of it: certificates, keys by which it signs and seals. */
const issue = ({ folder, main }: Spec, names: ReadonlyArray<string>) =>
  Effect.tryPromise({
    try: async () => {
      const run = (...args: ReadonlyArray<string>) => promisify(execFile)(process.execPath, [main, "ca", ...args])
      const authority = ["--ca-dir", path.join(folder, "ca")]
      await run("init", ...authority, "--trust-domain", "chaos.test")
      for (const name of names) {
        const out = ["--out", path.join(folder, `${name}.identity`)]
        await run("issue", ...authority, "--node-id", name, "--hosts", "127.0.0.1", ...out)
      }
    },
    catch: (error) => new Daemon.Broken({ message: `no certificates: ${String(error)}` })
  })

/** Starts all, and waits until each has met all the others. */
export const begin = ({ http, nodes }: Mesh): Effect.Effect<void, Daemon.Broken> =>
  Effect.gen(function*() {
    yield* Effect.forEach(nodes, (node) => node.start(), { concurrency: "unbounded", discard: true })
    const met = `${nodes.length - 1} of ${nodes.length - 1} answer`
    yield* Effect.forEach(nodes, ({ name, url }) =>
      http.ask(url, { method: "GET", path: "/health/ready" }).pipe(
        Effect.filterOrFail(({ body }) => JSON.stringify(body).includes(met)),
        Effect.retry(Schedule.spaced("100 millis")),
        Effect.timeoutFail({
          duration: "90 seconds",
          onTimeout: () => new Daemon.Broken({ message: `${name} has not met its peers` })
        }),
        Effect.mapError((error) =>
          error._tag === "Broken" ? error : new Daemon.Broken({ message: `${name}: ${error._tag}` })
        )
      ), { discard: true })
  })

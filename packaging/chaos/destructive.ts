import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as fs from "node:fs"
import * as path from "node:path"
import type { Prng } from "../../test/simulation/prng.js"
import * as Chronicle from "./Chronicle.js"
import type { Broken, Daemon } from "./Daemon.js"
import type { Means } from "./means.js"
import * as Mesh from "./Mesh.js"
import * as Scene from "./Scene.js"

/** What one node alone has of the writes that were acknowledged in its name. */
export interface Choice {
  readonly survivor: string
  readonly named: number
  readonly missing: ReadonlyArray<string>
}

export interface Proof {
  readonly nodes: number
  readonly quorum_writes: number
  readonly acknowledged: number
  readonly choices: ReadonlyArray<Choice>
}

interface Write {
  readonly id: string
  readonly content: string
  readonly ackedBy: ReadonlyArray<string>
}

const CLIENTS_PER_NODE = 3
/** Some ways are longer than others, so that now these and now those nodes make up the quorum. */
const MAX_DELAY_MILLIS = 25
const MIN_NAMED = 5
const MAX_MILLIS = 120_000
/** Only what is acknowledged says something here: a slow machine is given its time. */
const ACK_MILLIS = 15_000

/**
 * The destructive proof of a 201: while clients write, all nodes are killed. Then, for every choice of one node, all other disks
 * are deleted and that node is started alone: whatever was acknowledged in its name is there.
 */
export const prove = (
  given: {
    readonly size: number
    readonly quorumWrites: number
    readonly isSecured: boolean
    readonly folder: string
    readonly main: string
    readonly means: Means
    readonly chance: Prng
  }
): Effect.Effect<Proof, Broken> =>
  Effect.scoped(Effect.gen(function*() {
    fs.mkdirSync(given.folder, { recursive: true })
    const chronicle = Chronicle.make(`${given.folder}.jsonl`)
    yield* Effect.addFinalizer(() => Effect.sync(chronicle.close))
    // Disks are put back here: they are folders, not mounts.
    const mesh = yield* Mesh.make({
      ...given,
      ackMillis: ACK_MILLIS,
      means: { ...given.means, canFill: false },
      ended: () => {}
    })
    yield* Mesh.begin(mesh)
    const writes = yield* load(Scene.make(mesh, chronicle, false), given.chance)
    mesh.disks.close()
    const saved = path.join(given.folder, "saved")
    for (const { folder, name } of mesh.nodes) fs.cpSync(folder, path.join(saved, name), { recursive: true })
    const choices = yield* Effect.forEach(mesh.nodes, (node) => alone(mesh, saved, node, writes))
    return { nodes: given.size, quorum_writes: given.quorumWrites, acknowledged: writes.length, choices }
  })).pipe(Effect.tap(() => Effect.sync(() => fs.rmSync(given.folder, { recursive: true }))))

/** Writes at all nodes until each was named often enough, and kills all of them while writes are under way. */
const load = (scene: Scene.Scene, chance: Prng): Effect.Effect<ReadonlyArray<Write>> =>
  Effect.gen(function*() {
    const { mesh } = scene
    for (const { forward } of mesh.network.links) forward.set({ delayMillis: chance.between(0, MAX_DELAY_MILLIS) })
    const writes: Array<Write> = []
    const writing = yield* Effect.forEach(
      mesh.nodes.flatMap((node) => Array.from({ length: CLIENTS_PER_NODE }, (_, index) => ({ node, index }))),
      ({ index, node }) => Effect.fork(writer(scene, node, `${node.name}-${index}`, writes))
    )
    const named = () =>
      mesh.nodes.every(({ name }) => writes.filter(({ ackedBy }) => ackedBy.includes(name)).length >= MIN_NAMED)
    const until = scene.chronicle.now() + MAX_MILLIS
    while (!named() && scene.chronicle.now() < until) yield* Effect.sleep(100)
    yield* Effect.forEach(mesh.nodes, (node) => node.end("SIGKILL"), { concurrency: "unbounded", discard: true })
    scene.isOn = false
    yield* Effect.forEach(writing, Fiber.join, { discard: true })
    return writes
  })

const writer = (scene: Scene.Scene, node: Daemon, name: string, writes: Array<Write>): Effect.Effect<void> => {
  let number = 0
  const write = Effect.suspend(() => {
    const title = `${name} ${number++}`
    const content = `content of ${title}`
    const body = { title, content, namespace: "proof", source: "chaos" }
    const request = { method: "POST", path: "/api/v1/memories", body, timeoutMillis: 2 * ACK_MILLIS } as const
    const call = { client: name, operation: "create", request, key: title, token: content }
    return Effect.map(Scene.once(scene, node, call), (answer) => {
      if (answer.certainty !== "ok") return
      const { body: answered } = answer.reply
      const ackedBy = Array.isArray(answered["acked_by"]) ? answered["acked_by"].map(String) : []
      writes.push({ id: String(answered["id"]), content, ackedBy })
    })
  })
  return Effect.whileLoop({
    while: () => scene.isOn,
    body: () => Effect.zipLeft(write, Effect.sleep(2)),
    step: () => {}
  })
}

/** One node on its disk; of the others there are no disks any more. */
const alone = (
  { http, nodes }: Mesh.Mesh,
  saved: string,
  survivor: Daemon,
  writes: ReadonlyArray<Write>
): Effect.Effect<Choice, Broken> =>
  Effect.gen(function*() {
    for (const { folder } of nodes) fs.rmSync(folder, { recursive: true })
    fs.cpSync(path.join(saved, survivor.name), survivor.folder, { recursive: true })
    yield* survivor.start()
    const named = writes.filter(({ ackedBy }) => ackedBy.includes(survivor.name))
    const missing = yield* Effect.filter(named, ({ content, id }) =>
      http.ask(survivor.url, { method: "GET", path: `/api/v1/memories/${id}` }).pipe(
        Effect.map(({ body }) =>
          !JSON.stringify(body).includes(JSON.stringify(content))
        ),
        Effect.orElseSucceed(() => true)
      ))
    yield* survivor.end("SIGKILL")
    for (const { folder } of nodes) fs.mkdirSync(folder, { recursive: true })
    return { survivor: survivor.name, named: named.length, missing: missing.map(({ id }) => id) }
  })

// A site: daemons on one PostgreSQL, beside a node by itself and beside plain Node that inserts the rows of their log, in turn.
// The database, the daemons and the load share the processors.
import { fileURLToPath } from "node:url"
import { withMesh } from "./mesh.mjs"
import * as Server from "./postgresServer.mjs"
import * as Processes from "./processes.mjs"
import { named } from "./step.mjs"

export const CLIENTS = 64
/** Rows of a statement of the rod: as many as there are clients. */
const ROWS = CLIENTS
/** A site writes at once; how long a daemon needs to hear of all that does not matter. */
const SITES = [1, 4]
const LAST_ANSWER_WITHIN_MS = 30_000

/** The daemons that can be measured so: none where there are no programs of PostgreSQL. */
export const of = (shapes) => Server.programs() === undefined ? [] : shapes.filter(({ isDaemon }) => isDaemon)

export const before = (_, { dir }) => Server.start(dir)
export const after = (server) => server?.stop()

let databases = 0
const newDatabase = async (server) => {
  const name = `bench${++databases}`
  await server.create(name)
  return server.url(name)
}

const alone = (shape) => ({ ...shape, args: shape.alone })
const inSite = (shape, store) => ({ ...shape, args: (member) => [...shape.alone(member), "--store", store] })

/** All daemons are written to. */
const daemons = (shape, { dir, seconds, warmUp }, nodes) =>
  withMesh(shape, dir, async (measure) => {
    const through = Array.from({ length: nodes }, (_, index) => index)
    await measure(CLIENTS, warmUp, { through })
    return await measure(CLIENTS, seconds, { through })
  }, { nodes, quorum: 1 })

const plain = async (url, seconds) => {
  const child = Processes.forkModule(fileURLToPath(new URL("./postgresRows.mjs", import.meta.url)))
  try {
    const result = await new Promise((resolve, reject) => {
      const late = () => reject(new Error("it did not answer"))
      const timer = setTimeout(late, seconds * 1000 + LAST_ANSWER_WITHIN_MS)
      child.once("message", (message) => {
        clearTimeout(timer)
        resolve(message)
      })
      child.send({ url, rows: ROWS, seconds })
    })
    if (result.failure !== undefined) throw new Error(result.failure)
    return { writesPerSecond: result.perSecond, p50: result.p50, p99: result.p99 }
  } finally {
    await Processes.kill(child)
  }
}

/** Every second repetition goes the other way round. */
export const steps = (shape, options, server) => {
  const all = [
    ["a node by itself", () => daemons(alone(shape), options, 1)],
    ...SITES.map((count) => [
      `site of ${count}`,
      async () => daemons(inSite(shape, await newDatabase(server)), options, count)
    ]),
    ["plain inserts", async () => plain(await newDatabase(server), options.seconds)]
  ]
  return (options.rep % 2 === 1 ? all : all.toReversed()).map(([store, run]) =>
    named(store, async () => [{ store, ...(await run()) }])
  )
}

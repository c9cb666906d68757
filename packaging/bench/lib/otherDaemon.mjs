// The daemon of `--peer`: another program that takes the same flags and the same requests. It is started as the program of
// mixed meshes is there, with all of its gates and quotas open; what it syncs is its own affair.
import fs from "node:fs"
import path from "node:path"
import { configOf, OPENED, ROOM } from "../../interop/lib/opened.mjs"
import { answers, getOk } from "./http.mjs"
import { memory } from "./shapes.mjs"

/** The name of its shape. */
export const PEER = "peer"

/** As whom it is asked for its rows: only some may. */
const headers = { "x-agent-id": "alice" }

/** Words of a command line; what stands in double quotes is one. */
export const wordsOf = (command) =>
  Array.from(command.matchAll(/"([^"]*)"|(\S+)/g), ([, quoted, word]) => quoted ?? word)

/** Members run in a folder of their own: what names a file here is to name it there. */
const fromHere = (word) => fs.existsSync(word) ? path.resolve(word) : word

export const makePeer = (command) => {
  const [program, ...before] = wordsOf(command).map(fromHere)
  return {
    ...memory,
    name: PEER,
    program,
    isDaemon: false,
    isLenient: true,
    isTls: false,
    env: (folder) => ({ ...ROOM, ...OPENED, HOME: folder, XDG_CONFIG_HOME: path.join(folder, ".config") }),
    prepare: (folder) => {
      const config = path.join(folder, ".config/ai-memory")
      fs.mkdirSync(config, { recursive: true })
      fs.writeFileSync(path.join(config, "config.toml"), configOf("open"))
    },
    settle: () => {},
    args: ({ file, peers, port, quorum }) => [
      ...before,
      "serve",
      "--port",
      String(port),
      "--quorum-writes",
      String(quorum),
      "--quorum-peers",
      peers.join(","),
      "--catchup-interval-secs",
      "1",
      "--db",
      file
    ],
    isReady: (port) => answers(port, "/api/v1/memories?limit=1", { headers }),
    total: async (port) => JSON.parse(await getOk(false, port, "/api/v1/stats", { headers })).total,
    counters: () => ({ commits: NaN, rows: NaN, pushes: NaN, pushed: NaN })
  }
}

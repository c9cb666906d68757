// The same number of clients at one node of a mesh, and spread over all of them.
import { withMesh } from "./mesh.mjs"

export const CLIENTS = 64
const WAYS = [{ entries: "one", through: [0] }, { entries: "all", through: [0, 1, 2] }]

/** One mesh, both ways; every second repetition begins with the other. */
export const measure = (shape, options) =>
  withMesh(shape, options.dir, async (measure) => {
    await measure(CLIENTS, options.warmUp, { through: WAYS[1].through })
    const cells = []
    for (const { entries, through } of options.rep % 2 === 1 ? WAYS : WAYS.toReversed()) {
      cells.push({ entries, ...(await measure(CLIENTS, options.seconds, { through })) })
    }
    return cells
  })

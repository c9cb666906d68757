// One mesh of one shape: warm-up, then a cell per client count.
import { withMesh } from "./mesh.mjs"
import * as Report from "./report.mjs"

export const measure = (shape, options) =>
  withMesh(shape, options.dir, async (measure) => {
    const cells = []
    await measure(Math.max(...options.clients), options.warmUp)
    for (const clients of options.clients) cells.push({ clients, ...(await measure(clients, options.seconds)) })
    return cells
  })

export const line = ({ clients, writesPerSecond }) => `${clients} clients: ${writesPerSecond.toFixed(0)} writes/s`

export const render = (cells, options) => Report.render(cells, options.clients, options.shapes.map(({ name }) => name))

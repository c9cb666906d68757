// The cells of one client count in meshes whose nodes do not believe each other blindly.
import * as Cells from "./cells.mjs"
import * as Report from "./report.mjs"
import { trusting } from "./shapes.mjs"

export const of = (shapes) => shapes.some(({ isDaemon }) => isDaemon) ? trusting : []

export const measure = (shape, options) => Cells.measure(shape, { ...options, clients: [Report.TRUST_CLIENTS] })

export const render = (cells) => Report.renderTrust(cells, trusting.map(({ name }) => name))

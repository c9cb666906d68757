// The same load on meshes of three and five nodes, answered when one node, a majority or all of them hold a write.
import { majorityOf, withMesh } from "./mesh.mjs"
import { named } from "./step.mjs"

export const CLIENTS = 64
const SIZES = [3, 5]

export const nameOf = ({ nodes, quorum }) => `N=${nodes} W=${quorum}`

const all = SIZES.flatMap((nodes) => [1, majorityOf(nodes), nodes].map((quorum) => ({ nodes, quorum })))
/** The rods say what the machine has left for more processes: for that majorities will do. */
const ofRods = SIZES.map((nodes) => ({ nodes, quorum: majorityOf(nodes) }))

const measureOne = (shape, options, arrangement) =>
  withMesh(shape, options.dir, async (measure) => {
    await measure(CLIENTS, options.warmUp)
    const cell = await measure(CLIENTS, options.seconds)
    return [{ mesh: nameOf(arrangement), ...cell, entryPerPeerMicros: cell.entryMicros / (arrangement.nodes - 1) }]
  }, arrangement)

/** A mesh after the other. */
export const steps = (shape, options) =>
  (shape.isDaemon ? all : ofRods).map((arrangement) =>
    named(nameOf(arrangement), () => measureOne(shape, options, arrangement))
  )

// The same load on meshes that hold few memories and many. Each mesh is filled once, through its own quorum, and its files are
// kept until the end: every repetition starts the same nodes on them again.
import { fillNumbered, untilEmbedded } from "./filling.mjs"
import { PATIENT, withMembers } from "./mesh.mjs"
import * as Processes from "./processes.mjs"
import { named } from "./step.mjs"

export const CLIENTS = 64
const EQUAL_WITHIN_MS = 120_000
const EQUAL_PER_ROW_MS = 2

const fillMesh = async (shape, folder, rows, progress) => {
  progress(`${shape.name}: a mesh of ${rows} memories is filled`)
  await withMembers(shape, folder, async (_, running) => {
    const [port] = running.ports
    await fillNumbered(port, 1, rows, (filled) => progress(`${shape.name}: ${filled} of ${rows} memories`))
    await running.untilEqual(rows + 1, EQUAL_WITHIN_MS + rows * EQUAL_PER_ROW_MS)
    for (const each of running.ports) await untilEmbedded(each, rows)
  }, { end: Processes.stop, env: PATIENT })
  // The first write that opened the mesh is a row, too.
  return { shape: shape.name, rows, folder, held: rows + 1, nextNumber: rows + 1 }
}

/** A mesh of each size for each shape. */
export const before = async (shapes, options, progress) => {
  const meshes = []
  for (const shape of shapes) {
    for (const rows of options.rows) {
      meshes.push(await fillMesh(shape, Processes.makeFolder(options.dir), rows, progress))
    }
  }
  return meshes
}

export const after = (meshes) => meshes.forEach(({ folder }) => Processes.removeFolder(folder))

const measureOne = (shape, options, mesh) =>
  withMembers(shape, mesh.folder, async (measure, running) => {
    await measure(CLIENTS, options.warmUp)
    const cell = await measure(CLIENTS, options.seconds)
    mesh.held = await running.rest()
    mesh.nextNumber = running.nextNumber()
    return [{ rows: mesh.rows, ...cell }]
  }, { held: mesh.held, nextNumber: mesh.nextNumber, end: Processes.stop })

/** All sizes, every second repetition the largest first. */
export const steps = (shape, options, meshes) => {
  const ours = meshes.filter((mesh) => mesh.shape === shape.name)
  return (options.rep % 2 === 1 ? ours : ours.toReversed()).map((mesh) =>
    named(`${mesh.rows} memories`, () => measureOne(shape, options, mesh))
  )
}
